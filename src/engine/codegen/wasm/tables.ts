/**
 * The memory that executors over one dataset share: the dataset's tables, loaded once, and slots for the executors'
 * own buffers, taken as needed and used again. Threads of one process may share it: slots are taken and given back by
 * single atomic operations, so that a thread may end anywhere; what it held is lost until the memory itself goes.
 */

import type { ResidentData } from '../../kernels.ts';
import { OutOfMemoryError } from '../../out-of-memory.ts';
import { log2 } from '../log2.ts';
import type { WasmMemory } from './runtime.ts';
import { Memory, PAGE_BYTES, PAGES_MAX } from './runtime.ts';

export interface Slot {
  /** In bytes; the slot's contents are zeros. */
  readonly address: number;
  readonly byteLength: number;
  release(): void;
}

export interface ResidentTables {
  readonly memory: WasmMemory;
  /** Rows of both tables, and their addresses. */
  readonly rows: number;
  readonly features: number;
  readonly targets: number;
  /** The same tables, as views of the memory. */
  readonly data: ResidentData;
  /** Throws RangeError where the memory cannot hold it. */
  take(bytes: number): Slot;
  /** What another thread needs to use the same memory; it can be sent there. */
  readonly handle: TablesHandle;
}

export interface TablesHandle {
  readonly memory: WasmMemory;
  readonly rows: number;
  /** Elements of the features: floats, or bytes of a coded table. */
  readonly featuresLength: number;
  readonly coded: boolean;
  readonly targetsLength: number;
}

/** At the bottom: how many slots there are, and of each whether it is taken, its first page and its pages. */
const HEADER_BYTES = 4096;
const COUNT = 0;
const FIRST_SLOT = 4;
const SLOT_WORDS = 3;
const SLOTS_MAX = Math.floor((HEADER_BYTES / 4 - FIRST_SLOT) / SLOT_WORDS);
const UNUSED = 0;
const FREE = 1;
const TAKEN = 2;

const FLOAT_BYTES = 4;
const ALIGNMENT = 64;
const elementBytes = (coded: boolean): number => (coded ? 1 : FLOAT_BYTES);
const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** By the view of the features: data may be said more about without becoming other data. */
const known = new WeakMap<ResidentData['features'], ResidentTables>();

/** The tables behind data that was loaded before, or a memory of its own for data that was not. */
export function tablesOf(data: ResidentData, slotBytes: number): ResidentTables {
  const loaded = known.get(data.features);
  return loaded?.data.targets === data.targets ? loaded : loadTables(data, slotBytes);
}

/** Copies data to where executors read it: those created on the returned tables' `data` share it. */
export function loadTables(data: ResidentData, slotBytes?: number): ResidentTables {
  const { rows, features, targets } = data;
  const coded = features instanceof Uint8Array;
  const tables = allocateTables(rows, features.length, targets.length, { coded, slotBytes });
  tables.data.features.set(data.features);
  tables.data.targets.set(data.targets);
  return tables;
}

/** Tables of zeros, to be filled where they lie. Throws RangeError beyond 4 GiB. */
export function allocateTables(
  rows: number,
  featuresLength: number,
  targetsLength: number,
  { coded = false, slotBytes }: { readonly coded?: boolean; readonly slotBytes?: number | undefined } = {},
): ResidentTables {
  const end =
    HEADER_BYTES + aligned(featuresLength * elementBytes(coded)) + aligned(targetsLength * FLOAT_BYTES);
  const initial = Math.ceil(end / PAGE_BYTES);
  const maximum = slotBytes === undefined ? PAGES_MAX : initial + pagesFor(slotBytes);
  if (maximum > PAGES_MAX || initial > PAGES_MAX) {
    throw new OutOfMemoryError(`${end} bytes of tables and ${slotBytes ?? 0} more, at most 4 GiB`);
  }
  const memory = new Memory({ initial, maximum, shared: true });
  return adoptTables({ memory, rows, featuresLength, coded, targetsLength });
}

/** Tables that another thread has loaded. */
export function adoptTables(handle: TablesHandle): ResidentTables {
  const { memory, rows, featuresLength, coded, targetsLength } = handle;
  const features = HEADER_BYTES;
  const targets = features + aligned(featuresLength * elementBytes(coded));
  const header = new Int32Array(memory.buffer, 0, HEADER_BYTES / 4);
  const tables: ResidentTables = {
    memory,
    rows,
    features,
    targets,
    data: {
      rows,
      features: coded
        ? new Uint8Array(memory.buffer, features, featuresLength)
        : new Float32Array(memory.buffer, features, featuresLength),
      targets: new Float32Array(memory.buffer, targets, targetsLength),
    },
    take: (bytes) => takeFree(memory, header, bytes) ?? takeNew(memory, header, bytes),
    handle,
  };
  known.set(tables.data.features, tables);
  return tables;
}

/** Of a few sizes only, so that slots fit again: at most a quarter is left over. */
function pagesFor(bytes: number): number {
  const pages = Math.max(1, Math.ceil(bytes / PAGE_BYTES));
  const unit = 2 ** Math.max(0, log2(pages) - 2);
  return Math.ceil(pages / unit) * unit;
}

const slotWord = (n: number): number => FIRST_SLOT + n * SLOT_WORDS;

function slotAt(memory: WasmMemory, header: Int32Array, n: number): Slot {
  const word = slotWord(n);
  const address = (header[word + 1] ?? 0) * PAGE_BYTES;
  const byteLength = (header[word + 2] ?? 0) * PAGE_BYTES;
  // Another thread may have grown the memory: this one sees it by growing by nothing.
  if (memory.buffer.byteLength < address + byteLength) memory.grow(0);
  return { address, byteLength, release: () => Atomics.store(header, word, FREE) };
}

/** The smallest free slot that is large enough. */
function takeFree(memory: WasmMemory, header: Int32Array, bytes: number): Slot | null {
  for (;;) {
    let best = -1;
    let fewest = Number.POSITIVE_INFINITY;
    const count = Math.min(Atomics.load(header, COUNT), SLOTS_MAX);
    for (let n = 0; n < count; n++) {
      const word = slotWord(n);
      const pages = header[word + 2] ?? 0;
      if (Atomics.load(header, word) !== FREE || pages * PAGE_BYTES < bytes || pages >= fewest) continue;
      [best, fewest] = [n, pages];
    }
    if (best < 0) return null;
    if (Atomics.compareExchange(header, slotWord(best), FREE, TAKEN) !== FREE) continue;
    const slot = slotAt(memory, header, best);
    new Float32Array(memory.buffer, slot.address, Math.ceil(bytes / FLOAT_BYTES)).fill(0);
    return slot;
  }
}

function takeNew(memory: WasmMemory, header: Int32Array, bytes: number): Slot {
  const pages = pagesFor(bytes);
  const n = Atomics.add(header, COUNT, 1);
  if (n >= SLOTS_MAX) throw new RangeError(`no more than ${SLOTS_MAX} slots in one memory`);
  const word = slotWord(n);
  if (Atomics.load(header, word) !== UNUSED) throw new Error(`slot ${n} is in use`);
  header[word + 1] = memory.grow(pages);
  header[word + 2] = pages;
  Atomics.store(header, word, TAKEN);
  return slotAt(memory, header, n);
}
