// What scanning and building a table share: the types that were asked for, and what no cell may hold.
import { listWords, quote, suggestion } from '../engine/issues.ts';
import { CsvFlaw } from './csv-flaw.ts';
import type { CsvLimits } from './limits.ts';

export interface ColumnTypes {
  /** Names of columns to read as texts whatever they look like. */
  readonly categorical: readonly string[];
  /** Names of columns that have to be numbers. */
  readonly numeric: readonly string[];
}

export function typeOf(
  name: string,
  { categorical, numeric }: ColumnTypes,
): 'numeric' | 'categorical' | null {
  if (categorical.includes(name)) return 'categorical';
  return numeric.includes(name) ? 'numeric' : null;
}

/** Wishes for columns that the header does not have, as `?parameter` and text. */
export function unknownColumns(
  types: ColumnTypes,
  names: readonly string[],
): { pointer: string; detail: string }[] {
  const known = new Set(names);
  return (['categorical', 'numeric'] as const).flatMap((parameter) =>
    types[parameter].flatMap((name) => {
      if (parameter === 'numeric' && types.categorical.includes(name)) {
        return [{ pointer: '?numeric', detail: `${quote(name)} cannot be both categorical and numeric` }];
      }
      if (known.has(name)) return [];
      const detail = `there is no column ${quote(name)}${suggestion(name, names)}; columns: ${listWords(names)}`;
      return [{ pointer: `?${parameter}`, detail }];
    }),
  );
}

export function cellText(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8');
}

/** Why a cell that is no number cannot stand in a column of this type, or null. */
export function cellProblem(text: string, type: 'numeric' | 'categorical' | null): string | null {
  if (text.trim() === '')
    return 'the cell is empty; missing values have to be filled in or their rows left out';
  if (type === 'categorical') return null;
  if (/^\s*[+-]?(nan|inf|infinity)\s*$/i.test(text)) return `${quote(text)} is not a finite number`;
  return type === 'numeric' ? `${quote(text)} is not a number` : null;
}

/** Refuses columns that are not categories but free text, before they fill the memory. */
export function createCategoryBudget(limits: Pick<CsvLimits, 'categoriesMax' | 'categoryTextMax'>) {
  let used = 0;
  return {
    add(text: string, count: number, column: string, line: number): void {
      used += text.length;
      if (count > limits.categoriesMax) {
        const detail = `has more than ${limits.categoriesMax} different texts: too many to be categories; leave the column out`;
        throw new CsvFlaw(detail, { line, column });
      }
      if (used > limits.categoryTextMax) {
        const detail = `the categories of all columns have more than ${limits.categoryTextMax} characters; leave texts out`;
        throw new CsvFlaw(detail, { line, column });
      }
    },
  };
}
