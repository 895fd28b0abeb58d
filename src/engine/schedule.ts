/**
 * How a program's kernels are divided among threads, and where the threads have to meet. A pure function of the
 * program: back ends of one thread ignore it, and every division gives the same bits, because each element is computed
 * by one thread in the order that kernels.ts defines.
 */
import type { BufferId, Dim, GemmKernel, Kernel, MapKernel, Source } from './kernels.ts';
import { rowsPerSample, VIRTUAL_LANES } from './kernels.ts';

/**
 * What thread t of T does of a kernel, with share(n, t) = [⌊n·t/T⌋, ⌊n·(t+1)/T⌋):
 * - `samples`: the samples of share(samples of the step, t), with all their rows;
 * - `rows`: of a fixed number of rows, those of the granules share(⌈rows / granule⌉, t);
 * - `columns`: all rows of the column blocks of 16 in share(⌈columns / 16⌉, t);
 * - `first`: everything if t = 0, otherwise nothing.
 */
export type Split =
  | { readonly by: 'samples' | 'columns' | 'first' }
  | { readonly by: 'rows'; readonly granule: number };

export interface Turn {
  readonly kernel: Kernel;
  readonly split: Split;
  /** All threads finish what is before this kernel before any begins it. */
  readonly barrier: boolean;
}

/** Rows of weights per granule: whole panels of A where there are many, so that tiles stay whole. */
const GRANULE = VIRTUAL_LANES;
const GRANULE_SMALL = 4;
const MANY_ROWS = 8 * VIRTUAL_LANES;

/** Rows of a fixed dimension that are handed out together. */
const granuleOf = (rows: number): number => (rows >= MANY_ROWS ? GRANULE : GRANULE_SMALL);

const splitRows = (d: Dim): Split =>
  typeof d === 'number' ? { by: 'rows', granule: granuleOf(d) } : { by: 'samples' };

function splitOf(kernel: Kernel): Split {
  if (kernel.kind === 'gather') return { by: 'samples' };
  if (kernel.kind === 'move') return splitRows(kernel.rows);
  if (kernel.kind === 'gemm') return splitRows(kernel.m);
  if (kernel.stores.some((s) => s.reduce?.to === 'col')) return { by: 'columns' };
  if (kernel.rows !== 1) return splitRows(kernel.rows);
  // However short: a thread goes on with the columns that it has summed, and nobody has to wait.
  return kernel.stores.some((s) => s.reduce !== undefined) ? { by: 'first' } : { by: 'columns' };
}

/**
 * The part of a buffer that a thread touches, as a name: two accesses of one name by one thread touch the same part,
 * and parts of different threads are disjoint. `all`: anything.
 */
type Part = string;

/** Parts that are cut anew with each step's number of samples: the same name means another part in the next step. */
const MOVING: ReadonlySet<Part> = new Set(['samples', 'columns']);
const ofStepBefore = (a: Access): Access =>
  MOVING.has(a.part) ? { ...a, part: `${a.part} of the step before` } : a;

interface Access {
  readonly buffer: BufferId;
  readonly part: Part;
  readonly writes: boolean;
}

const partName = (split: Split, rows: number | null): Part =>
  split.by === 'rows' ? `rows ${rows} ${split.granule}` : split.by;

/** `along`: how the buffer lies in the kernel's domain. */
function partOf(split: Split, rows: number | null, along: 'full' | 'row' | 'col' | 'scalar' | 'whole'): Part {
  if (split.by === 'first') return 'first';
  if (along === 'whole' || along === 'scalar') return 'all';
  const columns = split.by === 'columns';
  if (along === 'full') return partName(split, rows);
  return columns === (along === 'col') ? partName(split, rows) : 'all';
}

const fixedRows = (d: Dim): number | null => (rowsPerSample(d) === null ? (d as number) : null);

function sourceAccess(split: Split, rows: number | null, source: Source): Access[] {
  if (source.from === 'stepInput') return [];
  return [{ buffer: source.buffer, part: partOf(split, rows, source.extent), writes: false }];
}

function mapAccesses(split: Split, kernel: MapKernel): Access[] {
  const rows = fixedRows(kernel.rows);
  const reads = kernel.bindings.flatMap((b) => sourceAccess(split, rows, b.source));
  const writes = kernel.stores.flatMap(({ target, reduce }): Access[] => {
    if (target.to === 'stepOutput') return [];
    const along = reduce?.to ?? (kernel.rows === 1 ? 'col' : 'full');
    return [{ buffer: target.buffer, part: partOf(split, rows, along), writes: true }];
  });
  return [...reads, ...writes];
}

function gemmAccesses(split: Split, kernel: GemmKernel): Access[] {
  const rows = fixedRows(kernel.m);
  const accesses: Access[] = [
    // Down the columns of a transposed A every thread goes through all rows.
    { buffer: kernel.a, part: kernel.aTransposed ? 'all' : partOf(split, rows, 'full'), writes: false },
    { buffer: kernel.b, part: 'all', writes: false },
  ];
  if (kernel.init !== null) accesses.push({ buffer: kernel.init, part: 'all', writes: false });
  for (const b of kernel.bindings) accesses.push(...sourceAccess(split, rows, b.source));
  for (const { target } of kernel.stores) {
    if (target.to === 'buffer') {
      accesses.push({ buffer: target.buffer, part: partOf(split, rows, 'full'), writes: true });
    }
  }
  return accesses;
}

function accessesOf(split: Split, kernel: Kernel): Access[] {
  if (kernel.kind === 'map') return mapAccesses(split, kernel);
  if (kernel.kind === 'gemm') return gemmAccesses(split, kernel);
  const part = partOf(split, kernel.kind === 'move' ? fixedRows(kernel.rows) : null, 'full');
  if (kernel.kind === 'gather') return [{ buffer: kernel.out, part, writes: true }];
  const [from, to] =
    kernel.direction === 'flatten' ? [kernel.image, kernel.flat] : [kernel.flat, kernel.image];
  return [
    { buffer: from, part, writes: false },
    { buffer: to, part, writes: true },
  ];
}

const conflicts = (a: Access, b: Access): boolean =>
  a.buffer === b.buffer && (a.writes || b.writes) && (a.part !== b.part || a.part === 'all');

/**
 * The turns of a program that runs step after step: the first kernel of a step follows the last one of the step before.
 * Step outputs are written by the first thread alone and read after all have finished.
 */
export function schedule(kernels: readonly Kernel[]): readonly Turn[] {
  const splits = kernels.map((k) => splitOf(k));
  const accesses = kernels.map((k, i) => accessesOf(splits[i] as Split, k));
  const barriers = new Array<boolean>(kernels.length).fill(false);
  let open: Access[] = [];
  // Twice, so that what the end of one step leaves open is met at the start of the next.
  for (let round = 0; round < 2; round++) {
    open = open.map(ofStepBefore);
    for (const [i, own] of accesses.entries()) {
      if (barriers[i] || own.some((a) => open.some((b) => conflicts(a, b)))) {
        barriers[i] = true;
        open = [];
      }
      open.push(...own);
    }
  }
  return kernels.map((kernel, i) => ({
    kernel,
    split: splits[i] as Split,
    barrier: barriers[i] === true,
  }));
}
