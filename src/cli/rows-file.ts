// Rows to predict on, from CSV (with a header) or JSON, in the shape the service takes.
import { parse } from 'csv-parse/sync';
import { usageFailure } from './failure.ts';
import { parseJson, readText } from './spec-file.ts';
import type { WireDataset } from './wire.ts';

export interface Rows {
  readonly rows: readonly Record<string, unknown>[];
  /** The target's value in each row, when the file happens to hold that column. */
  readonly truths: readonly string[] | null;
}

export interface RowsShape {
  readonly target: string;
  /** Absent: every column but the target. */
  readonly features: readonly string[] | undefined;
  /** Null when the dataset is gone; then CSV cells are numbers where they look like it. */
  readonly dataset: WireDataset | null;
}

/** `.json`: an array of objects, or `{rows: [...]}`; anything else is read as CSV. */
export function readRows(path: string, shape: RowsShape, limit: number): Rows {
  const text = readText(path);
  const all = path.toLowerCase().endsWith('.json') ? rowsOfJson(text, path) : rowsOfCsv(text, path, shape);
  if (all.length === 0) throw usageFailure(`${path} holds no rows.`);
  const rows = all.slice(0, limit);
  const hasTruth = rows.every((row) => row[shape.target] !== undefined);
  const known = shape.features ?? shape.dataset?.columns.map((column) => column.name);
  return {
    rows: rows.map((row) => withoutTarget(row, shape.target, known)),
    truths: hasTruth ? rows.map((row) => String(row[shape.target])) : null,
  };
}

function rowsOfJson(text: string, path: string): Record<string, unknown>[] {
  const value = parseJson(text, path);
  const rows = typeof value === 'object' && value !== null && 'rows' in value ? value.rows : value;
  if (
    Array.isArray(rows) &&
    rows.every((row) => typeof row === 'object' && row !== null && !Array.isArray(row))
  ) {
    return rows;
  }
  throw usageFailure(`${path} should hold a list of objects, like [{"column": 1.5}].`);
}

function rowsOfCsv(text: string, path: string, shape: RowsShape): Record<string, unknown>[] {
  const types = new Map(shape.dataset?.columns.map((column) => [column.name, column.type]));
  try {
    const records: Record<string, string>[] = parse(text, {
      columns: true,
      bom: true,
      skip_empty_lines: true,
    });
    return records.map((record) =>
      Object.fromEntries(
        Object.entries(record).map(([name, cell]) => [name, parseCell(cell, types.get(name))]),
      ),
    );
  } catch (error) {
    throw usageFailure(
      `${path} is not a readable CSV file: ${error instanceof Error ? error.message : error}`,
    );
  }
}

// Text in a numeric column is passed on as it is: the service names the row and the column.
function parseCell(cell: string, type: 'numeric' | 'categorical' | undefined): string | number {
  const looksNumeric = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(cell);
  return type !== 'categorical' && looksNumeric ? Number(cell) : cell;
}

function withoutTarget(
  row: Record<string, unknown>,
  target: string,
  known: readonly string[] | undefined,
): Record<string, unknown> {
  const keep = (name: string) => name !== target && (known === undefined || known.includes(name));
  return Object.fromEntries(Object.entries(row).filter(([name]) => keep(name)));
}
