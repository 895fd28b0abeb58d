// Decimal numbers straight from bytes. Up to 15 digits and a power of ten up to 22, one multiplication or
// division of two exact doubles rounds correctly (Clinger 1990); what is longer goes through Number().

const powersOfTen = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));
const grammar = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

const space = 0x20;
const tab = 0x09;
const plus = 0x2b;
const minus = 0x2d;
const dot = 0x2e;
const zero = 0x30;

/** The finite number that bytes [start, end) spell, blanks around it allowed; NaN where they spell none. */
export function parseDecimal(bytes: Uint8Array, start: number, end: number): number {
  let from = start;
  let to = end;
  while (from < to && isBlank(bytes[from])) from++;
  while (to > from && isBlank(bytes[to - 1])) to--;
  let at = from;
  const negative = bytes[at] === minus;
  if (negative || bytes[at] === plus) at++;
  let mantissa = 0;
  let digits = 0;
  let decimals = 0;
  let fraction = false;
  for (; at < to; at++) {
    const byte = bytes[at] ?? 0;
    const digit = byte - zero;
    if (digit >= 0 && digit <= 9) {
      mantissa = mantissa * 10 + digit;
      digits++;
      if (fraction) decimals++;
    } else if (byte === dot && !fraction) {
      fraction = true;
    } else {
      return parseLong(bytes, from, to);
    }
  }
  if (digits === 0) return Number.NaN;
  // `decimals` is then 15 at most, within the table.
  if (digits > 15) return parseLong(bytes, from, to);
  const value = decimals === 0 ? mantissa : mantissa / (powersOfTen[decimals] ?? 1);
  return negative ? -value : value;
}

function parseLong(bytes: Uint8Array, from: number, to: number): number {
  if (to - from > 400 || to === from) return Number.NaN;
  let text = '';
  for (let i = from; i < to; i++) {
    const byte = bytes[i] ?? 0;
    // Letters of numbers are e and E only: a look at the first odd byte saves building most texts.
    if (
      !(
        (byte >= zero && byte <= 0x39) ||
        byte === dot ||
        byte === plus ||
        byte === minus ||
        (byte | 0x20) === 0x65
      )
    ) {
      return Number.NaN;
    }
    text += String.fromCharCode(byte);
  }
  if (!grammar.test(text)) return Number.NaN;
  const value = Number(text);
  return Number.isFinite(value) ? value : Number.NaN;
}

function isBlank(byte: number | undefined): boolean {
  return byte === space || byte === tab;
}
