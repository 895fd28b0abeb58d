// Threads load JavaScript: an entry and what it imports of ours, compiled one by one to a folder of their own.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';

const root = resolve(import.meta.dirname, '..', '..');

export interface CompiledEntry {
  readonly url: URL;
  remove(): void;
}

const outputs = new Map<string, string>();

/** As JavaScript; each file once a process, for most entries import the same ones. */
function javaScriptOf(file: string): string {
  const known = outputs.get(file);
  if (known !== undefined) return known;
  const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      rewriteRelativeImportExtensions: true,
      verbatimModuleSyntax: true,
    },
  });
  outputs.set(file, outputText);
  return outputText;
}

/** The compiled entry, below node_modules so that packages are found. */
export function compileEntry(path: string): CompiledEntry {
  const cache = join(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'entry-'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const placeOf = (file: string): string => join(folder, relative(root, file).replace(/\.ts$/, '.js'));
  const done = new Set<string>();
  const compile = (file: string): void => {
    if (done.has(file)) return;
    done.add(file);
    const outputText = javaScriptOf(file);
    mkdirSync(dirname(placeOf(file)), { recursive: true });
    writeFileSync(placeOf(file), outputText);
    for (const [, to = ''] of outputText.matchAll(/from ['"](\.[^'"]+)\.js['"]/g)) {
      compile(resolve(dirname(file), `${to}.ts`));
    }
  };
  const entry = join(root, path);
  compile(entry);
  return { url: pathToFileURL(placeOf(entry)), remove: () => rmSync(folder, { recursive: true }) };
}
