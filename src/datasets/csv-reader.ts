// CSV as it streams in (RFC 4180: commas, quotes, LF or CRLF, a header), cell by cell to whoever wants it, with
// one line in memory at a time. Lines without quotes are cut by hand, many times faster than any general
// parser; from the first quote on csv-parse does it.
import { isUtf8 } from 'node:buffer';
import { pipeline, Readable } from 'node:stream';
import { type CsvError, parse } from 'csv-parse';
import { CsvFlaw } from './csv-flaw.ts';
import { parseDecimal } from './decimal.ts';
import { type CsvLimits, columnNameLengthMax } from './limits.ts';

export interface CsvSink {
  header(names: readonly string[]): void;
  /** A cell's bytes are [start, end); they are only valid during the call. */
  cell(column: number, bytes: Uint8Array, start: number, end: number, line: number): void;
}

type Source = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
export type ReaderLimits = Pick<CsvLimits, 'columnsMax' | 'lineBytesMax' | 'rowsMax'>;

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const comma = 0x2c;
const quoteMark = 0x22;

/** Returns the number of rows without the header. Throws CsvFlaw. */
export async function readCsv(source: Source, sink: CsvSink, limits: ReaderLimits): Promise<number> {
  const chunks = bytesOf(source);
  const reader = createRowReader(sink, limits);
  let rest: Buffer = Buffer.alloc(0);
  for (;;) {
    const next = await chunks.next();
    const last = next.done === true;
    const buffer =
      next.done === true ? rest : rest.length === 0 ? next.value : Buffer.concat([rest, next.value]);
    // Only whole lines are cut; the end of the file ends the last one.
    const end = last ? buffer.length : buffer.lastIndexOf(lineFeed) + 1;
    const quoteAt = buffer.indexOf(quoteMark);
    if (quoteAt >= 0) {
      const quotedFrom = buffer.lastIndexOf(lineFeed, quoteAt) + 1;
      reader.plainLines(buffer, quotedFrom);
      await reader.quotedRecords(chunks, buffer.subarray(quotedFrom), last);
      return reader.finish();
    }
    reader.plainLines(buffer, end);
    rest = buffer.subarray(end);
    if (rest.length > limits.lineBytesMax) throw lineTooLong(reader.line + 1, limits);
    if (last) return reader.finish();
  }
}

async function* bytesOf(source: Source): AsyncGenerator<Buffer, undefined> {
  let first = true;
  for await (const chunk of source) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    // A byte order mark says UTF-8 and is no part of the first name.
    const marked = first && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
    first &&= bytes.length === 0;
    // Small pieces, so that nobody else waits long while a large buffer is cut.
    for (let at = marked ? 3 : 0; at < bytes.length; at += pieceBytes)
      yield bytes.subarray(at, at + pieceBytes);
  }
}

const pieceBytes = 256 * 1024;

function createRowReader(sink: CsvSink, limits: ReaderLimits) {
  let columns: readonly string[] | null = null;
  let line = 0;
  let rows = 0;

  const takeHeader = (names: readonly string[]) => {
    columns = checkHeader(names, line, limits);
    sink.header(columns);
  };
  const ragged = (cells: number) =>
    new CsvFlaw(`has ${cells} ${cells === 1 ? 'cell' : 'cells'}; the header has ${columns?.length ?? 0}`, {
      line,
    });
  const countRow = () => {
    rows++;
    if (rows > limits.rowsMax) throw new CsvFlaw(`more than ${limits.rowsMax} rows`, { line });
  };

  const plainLine = (bytes: Buffer, start: number, end: number) => {
    line++;
    const stop = end > start && bytes[end - 1] === carriageReturn ? end - 1 : end;
    if (stop === start) return; // an empty line
    if (stop - start > limits.lineBytesMax) throw lineTooLong(line, limits);
    if (columns === null) return takeHeader(bytes.toString('utf8', start, stop).split(','));
    const width = columns.length;
    let column = 0;
    let cellStart = start;
    for (let at = start; at <= stop; at++) {
      if (at < stop && bytes[at] !== comma) continue;
      if (column < width) sink.cell(column, bytes, cellStart, at, line);
      column++;
      cellStart = at + 1;
    }
    if (column !== width) throw ragged(column);
    countRow();
  };

  return {
    get line() {
      return line;
    },
    plainLines(bytes: Buffer, end: number) {
      const region = bytes.subarray(0, end);
      if (!isUtf8(region) || region.includes(0)) throw badBytes(region, line);
      let start = 0;
      while (start < end) {
        const newline = bytes.indexOf(lineFeed, start);
        const stop = newline < 0 || newline >= end ? end : newline;
        plainLine(bytes, start, stop);
        start = stop + 1;
      }
    },
    async quotedRecords(chunks: AsyncGenerator<Buffer, undefined>, first: Buffer, last: boolean) {
      const linesBefore = line;
      const parser = parse({
        info: true,
        relax_column_count: true,
        skip_empty_lines: true,
        record_delimiter: ['\r\n', '\n'],
        max_record_size: limits.lineBytesMax,
      });
      const checked = checkBytes(chunks, first, last, () => linesBefore + parser.info.lines);
      const records = pipeline(Readable.from(checked, { objectMode: false }), parser, () => undefined);
      let nextLine = linesBefore + 1;
      try {
        for await (const { record, info } of records as AsyncIterable<{
          record: string[];
          info: { lines: number };
        }>) {
          line = nextLine; // where the record starts: a quoted cell may go over several lines
          nextLine = linesBefore + info.lines + 1;
          if (columns === null) {
            takeHeader(record);
            continue;
          }
          if (record.length !== columns.length) throw ragged(record.length);
          for (const [column, text] of record.entries()) {
            const bytes = Buffer.from(text);
            sink.cell(column, bytes, 0, bytes.length, line);
          }
          countRow();
        }
      } catch (error) {
        throw isCsvError(error) ? parserFlaw(error, linesBefore, limits) : error;
      }
    },
    finish() {
      if (columns === null)
        throw new CsvFlaw('the file is empty; a line with the columns’ names has to come first');
      if (rows === 0) throw new CsvFlaw('there are no rows below the header');
      return rows;
    },
  };
}

async function* checkBytes(
  chunks: AsyncGenerator<Buffer, undefined>,
  first: Buffer,
  last: boolean,
  lineNow: () => number,
): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const check = (chunk: Buffer, stream: boolean) => {
    try {
      decoder.decode(chunk, { stream });
    } catch {
      throw new CsvFlaw('near this line there are bytes that are not UTF-8', { line: lineNow() });
    }
    if (chunk.includes(0)) throw new CsvFlaw('near this line there is a NUL character', { line: lineNow() });
    return chunk;
  };
  yield check(first, true);
  if (!last) for await (const chunk of chunks) yield check(chunk, true);
  check(Buffer.alloc(0), false);
}

/** The first line at fault in a region that is. */
function badBytes(region: Buffer, linesBefore: number): CsvFlaw {
  if (
    linesBefore === 0 &&
    ((region[0] === 0xff && region[1] === 0xfe) || (region[0] === 0xfe && region[1] === 0xff))
  ) {
    return new CsvFlaw('the file is UTF-16; save it as UTF-8', { line: 1 });
  }
  let line = linesBefore + 1;
  for (let start = 0; start < region.length; line++) {
    const newline = region.indexOf(lineFeed, start);
    const end = newline < 0 ? region.length : newline;
    const bytes = region.subarray(start, end);
    if (bytes.includes(0)) return new CsvFlaw('contains a NUL character', { line });
    if (!isUtf8(bytes)) return new CsvFlaw('contains bytes that are not UTF-8', { line });
    start = end + 1;
  }
  return new CsvFlaw('contains bytes that are not UTF-8', { line });
}

function checkHeader(cells: readonly string[], line: number, limits: ReaderLimits): string[] {
  if (cells.length > limits.columnsMax) {
    throw new CsvFlaw(`has ${cells.length} columns; at most ${limits.columnsMax} are possible`, { line });
  }
  const names = cells.map((cell) => cell.trim());
  const seen = new Set<string>();
  for (const [i, name] of names.entries()) {
    if (name === '') throw new CsvFlaw(`the header has no name for column ${i + 1}`, { line });
    if (name.length > columnNameLengthMax) {
      throw new CsvFlaw(`the name of column ${i + 1} is longer than ${columnNameLengthMax} characters`, {
        line,
      });
    }
    if (seen.has(name)) throw new CsvFlaw('the header names this column twice', { line, column: name });
    seen.add(name);
  }
  if (names.every((name) => !Number.isNaN(parseDecimal(Buffer.from(name), 0, Buffer.byteLength(name))))) {
    throw new CsvFlaw('the first line has only numbers; it has to name the columns', { line });
  }
  const [only] = names;
  if (names.length === 1 && only !== undefined && /[;\t|]/.test(only)) {
    throw new CsvFlaw('the columns have to be separated by commas', { line });
  }
  return names;
}

function lineTooLong(line: number, { lineBytesMax }: ReaderLimits): CsvFlaw {
  return new CsvFlaw(`is longer than ${lineBytesMax} bytes`, { line });
}

function isCsvError(error: unknown): error is CsvError & { lines?: number; quoting?: boolean } {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('CSV_');
}

function parserFlaw(
  error: CsvError & { lines?: number },
  linesBefore: number,
  limits: ReaderLimits,
): CsvFlaw {
  const line = linesBefore + Math.max(1, error.lines ?? 1);
  if (error.code === 'CSV_MAX_RECORD_SIZE') return lineTooLong(line, limits);
  if (error.code === 'CSV_QUOTE_NOT_CLOSED')
    return new CsvFlaw('a quote is opened and never closed', { line });
  if (error.code === 'CSV_INVALID_CLOSING_QUOTE') {
    return new CsvFlaw('a closing quote is followed by something other than a comma or the end of the line', {
      line,
    });
  }
  return new CsvFlaw('a quote stands inside a cell that does not begin with one', { line });
}
