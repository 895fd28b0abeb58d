import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDecimal } from '../../../src/datasets/decimal.ts';

function read(text: string): number {
  const bytes = new TextEncoder().encode(`x${text}y`);
  return parseDecimal(bytes, 1, bytes.length - 1);
}

describe('parseDecimal', () => {
  it('gives the nearest double, as Number does', () => {
    const digits = (maxLength: number) => fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength });
    const number = fc
      .tuple(
        fc.constantFrom('', '-', '+'),
        digits(20),
        fc.option(digits(20)),
        fc.option(fc.integer({ min: -340, max: 310 })),
      )
      .map(
        ([sign, whole, part, power]) =>
          `${sign}${whole}${part === null ? '' : `.${part}`}${power === null ? '' : `e${power}`}`,
      );
    fc.assert(
      fc.property(number, (text) => {
        const isNumber = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(text) && Number.isFinite(Number(text));
        expect(read(text)).toBe(isNumber ? Number(text) : Number.NaN);
      }),
      { numRuns: 3000 },
    );
    const double = fc.double({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(double, (x) => {
        expect(read(String(x))).toBe(x + 0); // −0 is written as 0
      }),
    );
  });

  it.each([
    '',
    ' ',
    '-',
    '.',
    'e5',
    '1e',
    '1e+',
    '1_000',
    '0x10',
    '1,5',
    'NaN',
    'Infinity',
    '1e999',
    '--1',
    '1 2',
    '١',
  ])('finds no number in %j', (text) => {
    expect(read(text)).toBeNaN();
  });

  it.each([
    [' 12\t', 12],
    ['007', 7],
    ['.5', 0.5],
    ['5.', 5],
    ['-0', -0],
    ['1E3', 1000],
  ])('reads %j', (text, value) => {
    expect(read(text)).toBe(value);
  });
});
