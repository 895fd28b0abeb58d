// What is wrong with a CSV, and where. Lines are counted from 1 and include the header.
import { quote } from '../engine/issues.ts';

export interface CsvPlace {
  readonly line: number | null;
  readonly column: string | null;
}

export class CsvFlaw extends Error implements CsvPlace {
  override readonly name = 'CsvFlaw';
  readonly line: number | null;
  readonly column: string | null;
  /** Without the place. */
  readonly detail: string;

  constructor(detail: string, { line = null, column = null }: Partial<CsvPlace> = {}) {
    const where = [
      ...(line === null ? [] : [`line ${line}`]),
      ...(column === null ? [] : [`column ${quote(column)}`]),
    ];
    super(where.length === 0 ? detail : `${where.join(', ')}: ${detail}`);
    this.detail = detail;
    this.line = line;
    this.column = column;
  }
}
