/**
 * Page tables of long mode, 4 KiB pages, every address mapped to itself: only what is named is there, and only for what
 * it is there for. The accessed and dirty bits are set beforehand, so that the tables may lie in read-only memory.
 * Intel SDM volume 3, 4.5.
 */

export const PAGE_BYTES = 4096;
/** What the tables cover: addresses below are mapped page by page. */
export const MAPPABLE_BYTES = 64 * 2 ** 20;

export type Access = 'read' | 'write' | 'execute';

export interface Mapping {
  readonly address: number;
  readonly byteLength: number;
  readonly access: Access;
}

const ENTRIES = 512;
const ENTRY_BYTES = 8;
const PRESENT = 1n;
const WRITABLE = 2n;
const ACCESSED = 0x20n;
const DIRTY = 0x40n;
const LARGE = 0x80n;
const NO_EXECUTE = 1n << 63n;
export const LARGE_PAGE_BYTES = 2 * 2 ** 20;
const TABLE = PRESENT | WRITABLE | ACCESSED;

const accessBits: Readonly<Record<Access, bigint>> = {
  read: NO_EXECUTE,
  write: WRITABLE | NO_EXECUTE,
  execute: 0n,
};

/**
 * The tables as they have to lie at `base`, the first of them the root. `rom` is the large page, in the last GiB below
 * 4 GiB, that holds the firmware. Throws RangeError for a mapping out of range or a page that is mapped twice.
 */
export function pageTables(base: number, mappings: readonly Mapping[], rom: number): Uint8Array {
  const pages = MAPPABLE_BYTES / PAGE_BYTES;
  const leaves = pages / ENTRIES;
  const bytes = new Uint8Array((4 + leaves) * PAGE_BYTES);
  const view = new DataView(bytes.buffer);
  const set = (table: number, entry: number, value: bigint): void =>
    view.setBigUint64(table * PAGE_BYTES + entry * ENTRY_BYTES, value, true);
  const point = (table: number, entry: number, to: number): void =>
    set(table, entry, BigInt(base + to * PAGE_BYTES) | TABLE);
  const [root, pointers, low, high, first] = [0, 1, 2, 3, 4];
  point(root, 0, pointers);
  point(pointers, 0, low);
  point(pointers, 3, high);
  set(high, (rom / LARGE_PAGE_BYTES) % ENTRIES, BigInt(rom) | LARGE | PRESENT | ACCESSED | DIRTY);
  for (let leaf = 0; leaf < leaves; leaf++) point(low, leaf, first + leaf);

  const mapped = new Set<number>();
  for (const { address, byteLength, access } of mappings) {
    if (address < 0 || address + byteLength > MAPPABLE_BYTES) {
      throw new RangeError(`${byteLength} bytes at ${address} are out of range`);
    }
    const bits = PRESENT | ACCESSED | DIRTY | accessBits[access];
    for (let page = firstPage(address); page < endPage(address, byteLength); page++) {
      if (mapped.has(page)) throw new RangeError(`two regions share the page at ${page * PAGE_BYTES}`);
      mapped.add(page);
      set(first, page, BigInt(page * PAGE_BYTES) | bits);
    }
  }
  return bytes;
}

export const firstPage = (address: number): number => Math.floor(address / PAGE_BYTES);
export const endPage = (address: number, byteLength: number): number =>
  Math.ceil((address + byteLength) / PAGE_BYTES);
