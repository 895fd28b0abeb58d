// Who may import whom, as a pure function over the text of the source files.
import { posix } from 'node:path';
import ts from 'typescript';

/** Paths from the repository's root, with `/`, to the files' text. */
export type Sources = ReadonlyMap<string, string>;

interface Import {
  readonly from: string;
  /** A path for files of ours, a package's name (`@a/b`, `node:fs`) otherwise. */
  readonly to: string;
  readonly ours: boolean;
  /** Gone after compilation: allowed where only the dependency at run time matters. */
  readonly typeOnly: boolean;
}

/** One line for each breach; empty when the rules hold. */
export function findBreaches(sources: Sources): string[] {
  const imports = [...sources].flatMap(([path, text]) => importsOf(path, text));
  return [
    ...imports.flatMap((each) =>
      rules
        .filter((rule) => rule.breaks(each))
        .map((rule) => `${each.from} imports ${each.to}: ${rule.name}`),
    ),
    ...[...sources].flatMap(([path, text]) => environmentReads(path, text)),
    ...[...sources].flatMap(([path, text]) => inexactMath(path, text)),
    ...findCycles(imports).map((cycle) => `import cycle: ${cycle.join(' → ')}`),
  ];
}

interface Rule {
  readonly name: string;
  breaks(each: Import): boolean;
}

const within = (path: string, folder: string) => path.startsWith(`${folder}/`);
const isStore = (path: string) => /(^|\/|-)store\.ts$/.test(path);
const isRoutes = (path: string) => /(^|\/|-)routes\.ts$/.test(path);
const inSource = (path: string) => within(path, 'src');
const usesPackage = ({ ours, to }: Import, name: RegExp) => !ours && name.test(to);

const rules: readonly Rule[] = [
  {
    name: 'the engine imports zod and itself, nothing else',
    breaks: ({ from, to, ours }) =>
      within(from, 'src/engine') && (ours ? !within(to, 'src/engine') : to !== 'zod'),
  },
  {
    name: 'native code is for workers alone, and knows the engine alone',
    breaks: ({ from, to, ours }) =>
      ours &&
      (within(to, 'src/native')
        ? !within(from, 'src/native') && !within(from, 'workers')
        : within(from, 'src/native') && !within(to, 'src/engine')),
  },
  {
    name: 'only src/native loads koffi',
    breaks: (each) => usesPackage(each, /^koffi$/) && !within(each.from, 'src/native'),
  },
  {
    name: 'src never imports workers',
    breaks: ({ from, to }) => inSource(from) && within(to, 'workers'),
  },
  {
    name: 'only stores and src/db talk to Prisma',
    breaks: (each) =>
      (usesPackage(each, /^@?prisma(\/|$)/) || (within(each.to, 'src/db/generated') && !each.typeOnly)) &&
      !within(each.from, 'src/db') &&
      !isStore(each.from),
  },
  {
    name: 'only src/db and src/embedded talk to pg',
    breaks: (each) =>
      usesPackage(each, /^pg$/) && !within(each.from, 'src/db') && !within(each.from, 'src/embedded'),
  },
  {
    name: 'only src/queue knows BullMQ and Redis',
    breaks: (each) => usesPackage(each, /^(bullmq|ioredis)$/) && !within(each.from, 'src/queue'),
  },
  {
    name: 'only workers start threads',
    breaks: (each) => usesPackage(each, /^(node:)?worker_threads$/) && !within(each.from, 'workers'),
  },
  {
    name: 'routes reach the rows through a service',
    breaks: ({ from, to, typeOnly }) =>
      isRoutes(from) && isStore(to) && posix.dirname(to) !== posix.dirname(from) && !typeOnly,
  },
  {
    name: 'services and stores do not know routes',
    breaks: ({ from, to }) => isRoutes(to) && from !== 'src/app.ts' && !isRoutes(from),
  },
  {
    name: 'stores do not know services',
    breaks: ({ from, to }) => isStore(from) && /(^|\/|-)service\.ts$/.test(to),
  },
  {
    name: 'what serves does not know the command line',
    breaks: ({ from, to }) => !within(from, 'src/cli') && within(to, 'src/cli'),
  },
  {
    name: 'shipped code imports no test',
    breaks: ({ from, to }) => !within(from, 'test') && within(to, 'test'),
  },
];

function importsOf(path: string, text: string): Import[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false);
  const found: Import[] = [];
  const add = (specifier: ts.Node | undefined, typeOnly: boolean) => {
    if (specifier !== undefined && ts.isStringLiteralLike(specifier)) {
      found.push({ from: path, ...target(path, specifier.text), typeOnly });
    }
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    } else if (ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier, node.isTypeOnly);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal, true);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

function target(path: string, specifier: string): { to: string; ours: boolean } {
  if (specifier.startsWith('.')) {
    return { to: posix.join(posix.dirname(path), specifier), ours: true };
  }
  const parts = specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1);
  return { to: parts.join('/'), ours: false };
}

/** `process.env` is read in src/config.ts, and handed to its `loadConfig` by the entries. */
function environmentReads(path: string, text: string): string[] {
  if (path === 'src/config.ts' || !(inSource(path) || within(path, 'workers'))) {
    return [];
  }
  const reads = text.match(/process\.env\b(\.|\[)/g) ?? [];
  return reads.map(() => `${path}: only src/config.ts reads process.env`);
}

/** Functions whose last bits each engine of JavaScript chooses for itself. src/engine/scalar-math.ts has ours. */
function inexactMath(path: string, text: string): string[] {
  if (!within(path, 'src/engine')) {
    return [];
  }
  const inexact =
    /Math\.(a?cosh?|a?sinh?|a?tanh?|atan2|cbrt|exp|expm1|hypot|log|log10|log1p|log2|pow|random)\b/g;
  return (text.match(inexact) ?? []).map((call) => `${path}: ${call} gives no promised bits in the engine`);
}

/** Cycles among the imports that are left after compilation, each once. */
function findCycles(imports: readonly Import[]): string[][] {
  const next = new Map<string, string[]>();
  for (const { from, to, ours, typeOnly } of imports) {
    if (ours && !typeOnly) {
      next.set(from, [...(next.get(from) ?? []), to]);
    }
  }
  const cycles: string[][] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  const walk = (path: string): void => {
    const at = trail.indexOf(path);
    if (at >= 0) {
      cycles.push([...trail.slice(at), path]);
    } else if (!done.has(path)) {
      trail.push(path);
      for (const each of next.get(path) ?? []) {
        walk(each);
      }
      trail.pop();
      done.add(path);
    }
  };
  for (const path of next.keys()) {
    walk(path);
  }
  return cycles;
}
