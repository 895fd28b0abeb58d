/** How products are cut into tiles that fit the registers. */
import { VIRTUAL_LANES } from '../../kernels.ts';
import type { Isa } from './isa.ts';

/** One vector of a tile's columns: its block within the group, and its bytes within the block. */
export interface ColumnVector {
  readonly block: number;
  readonly bytes: number;
}

/** So many blocks of columns, one after another, done by tiles of the same vectors. */
export interface ColumnGroup {
  readonly firstBlock: number;
  readonly blocks: number;
  readonly vectors: readonly ColumnVector[];
  /** How many such groups follow one another. */
  readonly count: number;
}

const GROUP_BLOCKS_AVX512 = 4;
const TILE_ROWS_MAX = 12;
/** The broadcast element of A and the product. */
const WORK_REGISTERS = 2;

/** `wideGroups`: groups may have several blocks, which then lie at equal distances. */
export function columnGroups(isa: Isa, n: number, wideGroups: boolean): ColumnGroup[] {
  const blocks = Math.ceil(n / VIRTUAL_LANES);
  const perGroup = isa.name === 'avx512' && wideGroups ? Math.min(GROUP_BLOCKS_AVX512, blocks) : 1;
  const vectorsOf = (columns: number): ColumnVector[] =>
    Array.from({ length: Math.ceil(columns / isa.lanes) }, (_, i) => {
      const block = Math.floor((i * isa.lanes) / VIRTUAL_LANES);
      return { block, bytes: i * isa.bytes - block * VIRTUAL_LANES * 4 };
    });
  const groupColumns = perGroup * VIRTUAL_LANES;
  const wholeColumns = vectorsOf(groupColumns).length * isa.lanes;
  // A last group that needs as many vectors is like the others, whatever is missing of its columns.
  const rest = n % groupColumns;
  const likeOthers = rest > 0 && vectorsOf(rest).length * isa.lanes === wholeColumns;
  const count = Math.floor(n / groupColumns) + (likeOthers ? 1 : 0);
  const groups: ColumnGroup[] = [];
  if (count > 0) groups.push({ firstBlock: 0, blocks: perGroup, vectors: vectorsOf(groupColumns), count });
  if (rest > 0 && !likeOthers) {
    const vectors = vectorsOf(rest);
    groups.push({ firstBlock: count * perGroup, blocks: Math.ceil(rest / VIRTUAL_LANES), vectors, count: 1 });
  }
  return groups;
}

/** Rows of the tallest tile of so many vectors. */
export const tileRowsMax = (isa: Isa, vectors: number): number =>
  Math.min(TILE_ROWS_MAX, Math.floor((isa.registers - WORK_REGISTERS - vectors) / vectors));

/** Tiles for a known number of rows, as even as possible. */
export function evenTiles(rows: number, max: number): number[] {
  const count = Math.ceil(rows / max);
  return Array.from({ length: count }, (_, i) => Math.ceil((rows - i) / count));
}

export interface TileChoice {
  /** With at least so many rows left … */
  readonly atLeast: number;
  /** … a tile of so many. */
  readonly rows: number;
}

const TALL_SIZES = [8, 6, 4, 3, 2, 1];

/** For a number of rows that is not known: the first choice that fits, until no row is left. */
export function tileChoices(max: number): TileChoice[] {
  const sizeFor = (left: number): number => {
    if (left >= max * 2 || left === max) return max;
    if (max > 6) return left > max ? max : (TALL_SIZES.find((s) => s <= left) ?? 1);
    return left > max ? Math.ceil(left / 2) : left;
  };
  const choices: TileChoice[] = [];
  for (let left = 1; left <= max * 2; left++) {
    const rows = sizeFor(left);
    if (choices.at(-1)?.rows !== rows) choices.push({ atLeast: left, rows });
  }
  return choices.reverse();
}
