// One record with quotes, cut into cells (RFC 4180). Lines without quotes need none of this.
import { CsvFlaw } from './csv-flaw.ts';

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const quoteMark = 0x22;
const comma = 0x2c;

/** Where a record's cells lie; used again for every record. */
export interface Cells {
  count: number;
  readonly starts: number[];
  readonly ends: number[];
  /** The cell has doubled quotes. */
  readonly doubled: boolean[];
}

export function createCells(): Cells {
  return { count: 0, starts: [], ends: [], doubled: [] };
}

/**
 * Cuts the record at `start`; returns where the next one starts, or −1 when `end` comes inside quotes.
 * `end` is the end of the file or just after a line break. `line` is the record's, for messages.
 */
export function cutRecord(bytes: Buffer, start: number, end: number, line: number, cells: Cells): number {
  cells.count = 0;
  for (let at = start; ; at++) {
    if (at < end && bytes[at] === quoteMark) {
      const close = cutQuoted(bytes, at + 1, end, cells);
      if (close < 0) return -1;
      at = close + 1;
    } else {
      at = cutPlain(bytes, at, end, line, cells);
    }
    if (at >= end) return end;
    if (bytes[at] === lineFeed) return at + 1;
    if (bytes[at] === carriageReturn && (at + 1 === end || bytes[at + 1] === lineFeed))
      return Math.min(at + 2, end);
    if (bytes[at] !== comma) {
      const wanted =
        'a closing quote has to be followed by a comma or the end of the line; quotes within are doubled';
      throw new CsvFlaw(wanted, { line });
    }
  }
}

/** Returns where the closing quote is. */
function cutQuoted(bytes: Buffer, start: number, end: number, cells: Cells): number {
  let doubled = false;
  for (let at = start; ; at += 2) {
    at = bytes.indexOf(quoteMark, at);
    if (at < 0 || at >= end) return -1;
    if (at + 1 < end && bytes[at + 1] === quoteMark) {
      doubled = true;
    } else {
      addCell(cells, start, at, doubled);
      return at;
    }
  }
}

/** Returns where the cell's delimiter is. */
function cutPlain(bytes: Buffer, start: number, end: number, line: number, cells: Cells): number {
  let at = start;
  for (; at < end && bytes[at] !== comma && bytes[at] !== lineFeed; at++) {
    if (bytes[at] === quoteMark) {
      throw new CsvFlaw('a quote stands inside a cell that does not begin with one', { line });
    }
  }
  const atLineEnd = at >= end || bytes[at] === lineFeed;
  addCell(cells, start, atLineEnd && at > start && bytes[at - 1] === carriageReturn ? at - 1 : at, false);
  return at;
}

function addCell(cells: Cells, start: number, end: number, doubled: boolean): void {
  cells.starts[cells.count] = start;
  cells.ends[cells.count] = end;
  cells.doubled[cells.count] = doubled;
  cells.count++;
}
