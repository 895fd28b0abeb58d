import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildTable, parseCsv, scanCsv, UnknownColumns } from '../../../src/datasets/csv.ts';
import { CsvFlaw } from '../../../src/datasets/csv-flaw.ts';
import { readCsv } from '../../../src/datasets/csv-reader.ts';
import { defaultCsvLimits } from '../../../src/datasets/limits.ts';
import { summarize, type Table } from '../../../src/engine/table.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);
const types = { categorical: [], numeric: [] };

/** The values of each column, texts as texts. */
function valuesOf(table: Table): Record<string, (number | string | undefined)[]> {
  const entries = table.columns.map((column) => [
    column.name,
    column.type === 'numeric' ? [...column.values] : [...column.codes].map((code) => column.categories[code]),
  ]);
  return Object.fromEntries(entries);
}

/** Cuts the text into records, fed in pieces of the given size. */
async function recordsOf(text: string, pieceBytes: number): Promise<string[][]> {
  const records: string[][] = [];
  const bytes = bytesOf(text);
  const pieces = Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, i) =>
    bytes.slice(i * pieceBytes, (i + 1) * pieceBytes),
  );
  const sink = {
    header: (names: readonly string[]) => records.push([...names]),
    cell(column: number, cell: Uint8Array, start: number, end: number) {
      if (column === 0) records.push([]);
      records.at(-1)?.push(Buffer.from(cell.subarray(start, end)).toString());
    },
  };
  await readCsv(pieces, sink, defaultCsvLimits);
  return records;
}

describe('parseCsv', () => {
  it('reads quotes, CRLF, a byte order mark, and a last line without an end', async () => {
    const table = await parseCsv(
      bytesOf('\ufeffa,"b ""x""",c\r\n1.5,"red, dark",x\r\n\r\n-2e3,"two\nlines",y'),
    );
    expect(table.rowCount).toBe(2);
    expect(valuesOf(table)).toEqual({ a: [1.5, -2000], 'b "x"': ['red, dark', 'two\nlines'], c: ['x', 'y'] });
  });

  it.each([
    ['bytes', '0\n255\n7\n', Uint8Array, [0, 255, 7]],
    ['numbers below zero', '0\n-1\n', Float32Array, [0, -1]],
    ['numbers above a byte', '255\n256\n', Float32Array, [255, 256]],
    ['a zero with a sign', '0\n1\n-0\n', Float32Array, [0, 1, -0]],
    ['halves', '1\n0.5\n', Float32Array, [1, 0.5]],
    ['tenths', '1\n0.5\n0.1\n2\n', Float64Array, [1, 0.5, 0.1, 2]],
    ['large whole numbers', '16777216\n16777217\n', Float64Array, [16777216, 16777217]],
    ['numbers out of reach of an f32', '1\n1e300\n', Float64Array, [1, 1e300]],
    ['numbers too small for an f32', '1\n1e-50\n', Float64Array, [1, 1e-50]],
  ])('keeps %s to the bit, in the narrowest array', async (_, cells, Kind, values) => {
    for (const rowCount of [null, values.length]) {
      const { columns } = await buildTable([bytesOf(`x\n${cells}`)], [], defaultCsvLimits, rowCount);
      expect(columns[0]).toMatchObject({ name: 'x', type: 'numeric', values: Kind.from(values) });
      const [column] = columns;
      expect(column?.type === 'numeric' && [...column.values]).toEqual(values);
      expect(column?.type === 'numeric' && column.values.buffer).toBeInstanceOf(SharedArrayBuffer);
    }
  });

  it('keeps long columns, whatever comes late in them', async () => {
    const numbers = Array.from({ length: 5_000 }, (_, i) =>
      i < 3_000 ? i % 200 : i / 4 + (i > 4_500 ? 0.1 : 0),
    );
    const text = `x,k\n${numbers.map((n, i) => `${n},c${i % 7}\n`).join('')}`;
    for (const rowCount of [null, 5_000]) {
      const table = await buildTable([bytesOf(text)], ['k'], defaultCsvLimits, rowCount);
      expect(valuesOf(table)).toEqual({ x: numbers, k: numbers.map((_, i) => `c${i % 7}`) });
    }
  });

  it('sorts categories by code unit', async () => {
    const table = await parseCsv(bytesOf('k,x\nb,1\nÄ,2\nB,3\nb,4\n'));
    expect(table.columns[0]).toEqual({
      name: 'k',
      type: 'categorical',
      categories: ['B', 'b', 'Ä'],
      codes: Int32Array.of(1, 2, 0, 1),
    });
  });

  it('keeps the spelling of numbers in a column of texts, wherever the first text stands', async () => {
    const mixed = 'k,x\n01,1\n1,2\nred,3\n1.0,4\n';
    expect(valuesOf(await parseCsv(bytesOf(mixed))).k).toEqual(['01', '1', 'red', '1.0']);
    const { columns } = await scanCsv(() => [bytesOf(mixed)], types, defaultCsvLimits);
    expect(columns[0]).toMatchObject({
      categories: [{ value: '01' }, { value: '1' }, { value: '1.0' }, { value: 'red' }],
    });
  });

  it('believes the types it is given', async () => {
    const bytes = bytesOf('digit,x\n3,1\n1,2\n');
    const table = await parseCsv(bytes, { categorical: ['digit'], numeric: ['x'] });
    expect(valuesOf(table)).toEqual({ digit: ['3', '1'], x: [1, 2] });
    await expect(parseCsv(bytesOf('a,b\nx,1\n'), { numeric: ['a', 'b'] })).rejects.toThrow(CsvFlaw);
    await expect(parseCsv(bytes, { categorical: ['dgit'] })).rejects.toThrow(UnknownColumns);
  });

  it('refuses a text in a column of which nine tenths are numbers, and takes it below that', async () => {
    const csv = (texts: number, numbers: number) =>
      bytesOf(
        `a,b\n${'1,1\n'.repeat(numbers)}${Array.from({ length: texts }, (_, i) => `t${i},1\n`).join('')}`,
      );
    await expect(parseCsv(csv(1, 9))).rejects.toMatchObject({ line: 11, column: 'a' });
    expect((await parseCsv(csv(2, 9))).columns[0]?.type).toBe('categorical');
    await expect(parseCsv(csv(1, 9), { numeric: ['a'] })).rejects.toMatchObject({ line: 11, column: 'a' });
    expect((await parseCsv(csv(1, 9), { categorical: ['a'] })).columns[0]?.type).toBe('categorical');
  });

  it.each([
    ['a,b\n1,"x"y\n', 2],
    ['a,b\n1,2\n1,x"y\n', 3],
    ['a,b\n"1\n\n",2\n1\n', 5],
    ['a,b\n1,2\n1,"never\n', 3],
  ])('names the line of a flaw in %j', async (csv, line) => {
    await expect(parseCsv(bytesOf(csv))).rejects.toMatchObject({ line });
  });
});

describe('scanCsv', () => {
  it('says of a file what summarize says of its table', async () => {
    const row = fc.tuple(
      fc.oneof(fc.integer({ min: -5, max: 5 }), fc.double({ noNaN: true, noDefaultInfinity: true })),
      fc.constantFrom('red', 'blue', '7', 'ü'),
      fc.integer(),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 40 }), async (rows) => {
        const csv = bytesOf(`x,k,n\n${rows.map((cells) => cells.join(',')).join('\n')}\n`);
        const given = { categorical: ['k'], numeric: [] };
        const { columns, rowCount } = await scanCsv(() => [csv], given, defaultCsvLimits);
        expect(rowCount).toBe(rows.length);
        expect(columns).toEqual(summarize(await parseCsv(csv, given)));
      }),
    );
  });
});

describe('readCsv', () => {
  it('cuts every well-formed file as csv-parse does, however it arrives', async () => {
    const cell = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r\n', ' ', 'é', '1'), maxLength: 6 }),
      fc.constantFrom('', '12', 'x'),
    );
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
    const written = fc
      .tuple(cell, fc.boolean())
      .map(([text, always]) => (always || /[",\r\n]/.test(text) ? quoted(text) : text));
    const file = fc.tuple(
      fc.array(fc.tuple(written, written, written), { minLength: 1, maxLength: 8 }),
      fc.constantFrom('\n', '\r\n'),
      fc.boolean(),
    );
    await fc.assert(
      fc.asyncProperty(file, fc.integer({ min: 1, max: 20 }), async ([rows, end, ended], pieceBytes) => {
        const text = ['h1,"h,2",h3', ...rows.map((cells) => cells.join(','))].join(end) + (ended ? end : '');
        const expected: string[][] = parse(text, {
          record_delimiter: ['\r\n', '\n'],
          skip_empty_lines: true,
        });
        expect(await recordsOf(text, pieceBytes)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('stops at a line that is too long before it has all of it', async () => {
    let pieces = 0;
    function* endless() {
      yield bytesOf('a,b\n"');
      for (;;) {
        pieces++;
        yield new Uint8Array(65_536).fill(0x61);
      }
    }
    const sink = { header: () => undefined, cell: () => undefined };
    await expect(readCsv(endless(), sink, defaultCsvLimits)).rejects.toMatchObject({ line: 2 });
    expect(pieces).toBeLessThan(32);
  });
});
