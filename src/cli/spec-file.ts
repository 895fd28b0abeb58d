// A run spec from a file, with `--set path=value` changes; the service does the checking.
import { readFileSync } from 'node:fs';
import { usageFailure } from './failure.ts';

/** Reads a JSON object. */
export function readSpec(path: string): Record<string, unknown> {
  const spec = parseJson(readText(path), path);
  if (!isObject(spec)) throw usageFailure(`${path} does not hold a JSON object.`);
  return spec;
}

/**
 * Applies `training.epochs=5` or `model.layers.0.units=32` to a copy. A value that is JSON is taken
 * as JSON, anything else as text. Missing objects on the way are made.
 */
export function applyChanges(
  spec: Record<string, unknown>,
  changes: readonly string[],
): Record<string, unknown> {
  const changed = structuredClone(spec);
  for (const change of changes) {
    const at = change.indexOf('=');
    const steps = change.slice(0, Math.max(at, 0)).split('.');
    if (at < 0 || steps.some((step) => step === '' || step === '__proto__')) {
      throw usageFailure(`--set wants path=value, like training.epochs=5; got "${change}".`);
    }
    setAt(changed, steps, parseValue(change.slice(at + 1)), change);
  }
  return changed;
}

/** The file's text, or a failure that names it. */
export function readText(path: string): string {
  return readBytes(path).toString('utf8');
}

export function readBytes(path: string): Buffer<ArrayBuffer> {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    const reason = code === 'ENOENT' ? 'there is no such file' : String(code ?? error);
    throw usageFailure(`Cannot read ${path}: ${reason}.`);
  }
}

/** Parses a file's text as JSON; the failure names the file and the place. */
export function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw usageFailure(`${path} is not valid JSON: ${error instanceof Error ? error.message : error}`);
  }
}

function setAt(
  root: Record<string, unknown>,
  steps: readonly string[],
  value: unknown,
  change: string,
): void {
  let holder: Record<string, unknown> | unknown[] = root;
  for (const [depth, step] of steps.entries()) {
    const isLast = depth === steps.length - 1;
    if (Array.isArray(holder)) {
      const index = Number(step);
      if (!Number.isInteger(index) || index < 0 || index > holder.length - (isLast ? 0 : 1)) {
        throw usageFailure(`--set ${change}: "${step}" is not an index of a list of ${holder.length}.`);
      }
    }
    const inside: Record<string, unknown> = holder as Record<string, unknown>;
    if (isLast) {
      inside[step] = value;
      return;
    }
    if (!Object.hasOwn(inside, step)) inside[step] = {};
    const next = inside[step];
    if (!isObject(next) && !Array.isArray(next)) {
      throw usageFailure(`--set ${change}: "${step}" holds a plain value, nothing can be set inside it.`);
    }
    holder = next;
  }
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
