/**
 * Schedules by brute force: which elements each thread reads and writes, kernel by kernel, for random programs. Every
 * element is computed by one thread, and what two threads share has a barrier in between, also from step to step.
 */
import { describe, expect, it } from 'vitest';
import { add, input } from '../../../src/engine/expr.ts';
import type {
  BufferId,
  BufferInfo,
  Dim,
  Grid,
  Kernel,
  Plan,
  Source,
  Store,
  View,
} from '../../../src/engine/kernels.ts';
import { rowsPerSample } from '../../../src/engine/kernels.ts';
import { createPlan } from '../../../src/engine/plan.ts';
import { stream } from '../../../src/engine/random.ts';
import type { Split } from '../../../src/engine/schedule.ts';
import { schedule } from '../../../src/engine/schedule.ts';
import { planOf } from './codegen/compare.ts';

const BATCH = 7;
const size = (d: Dim, samples: number): number =>
  typeof d === 'number' ? d : samples * (rowsPerSample(d) ?? 1);

/** Marks elements of all buffers; element (r, c) of a buffer is at its first + r · columns + c. */
interface Marks {
  readonly reads: Uint8Array;
  readonly writes: Uint8Array;
}

function layoutOf(plan: Plan) {
  const firsts: number[] = [];
  let total = 0;
  const columnsOf = (b: BufferInfo): number => size(b.columns, plan.batchSize);
  for (const b of plan.buffers) {
    firsts.push(total);
    total += b.capacityRows * columnsOf(b);
  }
  const at = (id: BufferId, row: number, column: number): number => {
    const b = plan.buffers[id];
    if (b === undefined) throw new Error(`no buffer ${id}`);
    if (row < 0 || row >= b.capacityRows || column < 0 || column >= columnsOf(b)) {
      throw new Error(`${b.name} has no element ${row}, ${column}`);
    }
    return (firsts[id] ?? 0) + row * columnsOf(b) + column;
  };
  return { total, at };
}

const share = (n: number, t: number, threads: number): [number, number] => [
  Math.floor((n * t) / threads),
  Math.floor((n * (t + 1)) / threads),
];

/** The rows and columns of the domain that a thread computes, as schedule.ts defines it. */
function partOf(
  split: Split,
  [rows, columns]: readonly [Dim, Dim],
  samples: number,
  t: number,
  threads: number,
) {
  const all = { rows: [0, size(rows, samples)], columns: [0, size(columns, samples)] } as const;
  if (split.by === 'first') return t === 0 ? all : ({ rows: [0, 0], columns: [0, 0] } as const);
  if (split.by === 'samples') {
    const perSample = rowsPerSample(rows);
    if (perSample === null) throw new Error('fixed rows have no samples');
    const [from, to] = share(samples, t, threads);
    return { ...all, rows: [from * perSample, to * perSample] } as const;
  }
  if (split.by === 'rows') {
    if (typeof rows !== 'number') throw new Error('moving rows have no granules');
    const [from, to] = share(Math.ceil(rows / split.granule), t, threads);
    return { ...all, rows: [from * split.granule, Math.min(to * split.granule, rows)] } as const;
  }
  const [from, to] = share(Math.ceil(all.columns[1] / 16), t, threads);
  return { ...all, columns: [from * 16, Math.min(to * 16, all.columns[1])] } as const;
}

function domainOf(kernel: Kernel): readonly [Dim, Dim] {
  if (kernel.kind === 'gather') return ['batch', kernel.columns];
  if (kernel.kind === 'move') return [kernel.rows, 1];
  if (kernel.kind === 'gemm') return [kernel.m, kernel.n];
  return [kernel.rows, kernel.columns];
}

/** Marks what a thread reads and writes. */
function mark(
  plan: Plan,
  { at }: ReturnType<typeof layoutOf>,
  kernel: Kernel,
  split: Split,
  step: readonly [number, number, number],
  to: Marks,
): void {
  const [samples, t, threads] = step;
  const part = partOf(split, domainOf(kernel), samples, t, threads);
  const read = (id: BufferId, row: number, column: number) =>
    to.reads.fill(1, at(id, row, column), at(id, row, column) + 1);
  const write = (id: BufferId, row: number, column: number) =>
    to.writes.fill(1, at(id, row, column), at(id, row, column) + 1);
  const rowIn = (id: BufferId, view: View | undefined, grid: Grid | undefined, row: number): number => {
    if (view === undefined || grid === undefined) return row;
    const positions = grid.height * grid.width;
    const within = row % positions;
    const rows = rowsPerSample(plan.buffers[id]?.rows ?? 1) ?? 0;
    return (
      Math.floor(row / positions) * rows +
      view.offset +
      Math.floor(within / grid.width) * view.yStride +
      (within % grid.width) * view.xStride
    );
  };
  const source = (s: Source, grid: Grid | undefined, r: number, c: number): void => {
    if (s.from === 'stepInput') return;
    if (s.extent === 'full') read(s.buffer, rowIn(s.buffer, s.view, grid, r), c);
    else read(s.buffer, 0, { row: r, col: c, scalar: 0 }[s.extent]);
  };
  const store = ({ target, reduce }: Store, grid: Grid | undefined, r: number, c: number): void => {
    if (target.to === 'stepOutput') return;
    if (reduce !== undefined) write(target.buffer, 0, reduce.to === 'row' ? r : c);
    else if (plan.buffers[target.buffer]?.kind === 'vector') write(target.buffer, 0, c);
    else write(target.buffer, rowIn(target.buffer, target.view, grid, r), c);
  };
  for (let r = part.rows[0]; r < part.rows[1]; r++) {
    if (kernel.kind === 'move') {
      const flatten = kernel.direction === 'flatten';
      for (let p = 0; p < kernel.positions; p++) {
        for (let c = 0; c < kernel.channels; c++) {
          const image = [kernel.image, r * kernel.positions + p, kernel.imageColumn + c] as const;
          const flat = [kernel.flat, r, kernel.flatColumn + c * kernel.positions + p] as const;
          read(...(flatten ? image : flat));
          write(...(flatten ? flat : image));
        }
      }
      continue;
    }
    for (let c = part.columns[0]; c < part.columns[1]; c++) {
      if (kernel.kind === 'gather') {
        write(kernel.out, r, c);
        continue;
      }
      const grid = kernel.kind === 'map' ? kernel.grid : kernel.windows?.grid;
      for (const b of kernel.bindings)
        source(b.source, kernel.kind === 'gemm' && kernel.aTransposed ? undefined : grid, r, c);
      for (const s of kernel.stores) store(s, grid, r, c);
    }
    if (kernel.kind !== 'gemm') continue;
    const { windows } = kernel;
    const k = size(kernel.k, samples);
    const taps = windows?.taps ?? [{ rowStep: 0, block: 0 }];
    const channels = windows?.channels ?? (kernel.aTransposed ? size(kernel.m, samples) : k);
    for (const [number, { rowStep, block }] of taps.entries()) {
      for (let c = 0; c < channels; c++) {
        if (kernel.aTransposed && number * channels + c !== r) continue;
        const rows = kernel.aTransposed ? Array.from({ length: k }, (_, i) => i) : [r];
        for (const i of rows) read(kernel.a, rowIn(kernel.a, windows?.view, windows?.grid, i) + rowStep, c);
        for (let n = 0; n < part.columns[1]; n++) {
          if (kernel.aTransposed) for (const i of rows) read(kernel.b, i, n);
          else if (kernel.bTransposed) read(kernel.b, block * part.columns[1] + n, c);
          else read(kernel.b, block * channels + c, n);
        }
      }
    }
    if (kernel.init !== null) for (let n = 0; n < part.columns[1]; n++) read(kernel.init, 0, n);
  }
}

const marksOf = (total: number): Marks => ({ reads: new Uint8Array(total), writes: new Uint8Array(total) });

/** Fails on an element that is computed by no thread or by two, or that two threads touch without a barrier. */
function check(plan: Plan, kernels: readonly Kernel[], threads: number): void {
  const layout = layoutOf(plan);
  const turns = schedule(kernels);
  expect(turns.map((t) => t.kernel)).toEqual(kernels);
  let open = Array.from({ length: threads }, () => marksOf(layout.total));
  for (const samples of [BATCH, BATCH, 3, 1, BATCH, 0, BATCH]) {
    for (const { kernel, split, barrier } of turns) {
      if (barrier) open = open.map(() => marksOf(layout.total));
      const alone = marksOf(layout.total);
      mark(plan, layout, kernel, split, [samples, 0, 1], alone);
      const counts = new Uint8Array(layout.total);
      for (const [t, marks] of open.entries()) {
        const own = marksOf(layout.total);
        mark(plan, layout, kernel, split, [samples, t, threads], own);
        for (let i = 0; i < layout.total; i++) {
          if (own.writes[i]) counts[i] = (counts[i] ?? 0) + 1;
          marks.reads[i] = (marks.reads[i] ?? 0) | (own.reads[i] ?? 0);
          marks.writes[i] = (marks.writes[i] ?? 0) | (own.writes[i] ?? 0);
        }
      }
      for (let i = 0; i < layout.total; i++) {
        if (counts[i] !== alone.writes[i])
          expect.fail(`${kernel.label}: element ${i} is computed by ${counts[i]}`);
      }
      for (const [t, a] of open.entries()) {
        for (const [u, b] of open.entries()) {
          if (t === u) continue;
          for (let i = 0; i < layout.total; i++) {
            if (a.writes[i] && (b.reads[i] || b.writes[i])) {
              expect.fail(`${kernel.label}: threads ${t} and ${u} share element ${i} without a barrier`);
            }
          }
        }
      }
    }
  }
}

const GRID: Grid = { height: 2, width: 2 };
const POSITIONS: Dim = { perSample: 4 };
const FRAMED: Dim = { perSample: 16 };
const INSIDE: View = { offset: 5, yStride: 4, xStride: 1 };
const ROWS = [5, 33, 130];
const COLUMNS = [3, 20];
/** Vectors of this length are seen as scalars, and written by kernels of one row. */
const SCALARS = 2;

/** A random program over a few buffers of every kind, so that kernels meet in them. */
function randomProgram(seed: number): { plan: Plan; kernels: readonly Kernel[] } {
  const random = stream(seed, 'schedule');
  const below = (n: number): number => Math.floor(random.uniform() * n);
  const one = <T>(values: readonly T[]): T => {
    const found = values[below(values.length)];
    if (found === undefined) throw new Error('nothing to choose from');
    return found;
  };
  const kernels: Kernel[] = [];
  const plan = planOf({
    batchSize: BATCH,
    featureCount: 3,
    stepOutputs: ['sum'],
    kernels: (buffers) => {
      const known = new Map<string, BufferId>();
      const named = (name: string, make: () => BufferId): BufferId => {
        const buffer = known.get(name) ?? make();
        known.set(name, buffer);
        return buffer;
      };
      // Two of each shape.
      const matrix = (rows: Dim, columns: number): BufferId => {
        const name = `${JSON.stringify(rows)} ${columns} ${below(2)}`;
        return named(name, () => buffers.matrix(name, rows, columns));
      };
      const vector = (length: Dim): BufferId => {
        const name = `${JSON.stringify(length)} ${below(2)}`;
        return named(name, () => buffers.vector(name, length));
      };
      const framed = (columns: number): Source => ({
        from: 'buffer',
        buffer: matrix(FRAMED, columns),
        extent: 'full',
        view: INSIDE,
      });
      const source = (rows: Dim, columns: Dim, grid: boolean): Source => {
        const choices: (() => Source)[] = [
          () => ({
            from: 'buffer',
            buffer: vector(rows === 1 ? columns : rows),
            extent: rows === 1 ? 'col' : 'row',
          }),
          () => ({ from: 'buffer', buffer: vector(columns), extent: 'col' }),
          () => ({ from: 'buffer', buffer: vector(SCALARS), extent: 'scalar' }),
        ];
        if (typeof columns === 'number') {
          choices.push(() => ({ from: 'buffer', buffer: matrix(rows, columns), extent: 'full' }));
          if (grid) choices.push(() => framed(columns));
        }
        return one(choices)();
      };
      const bindings = (rows: Dim, columns: Dim, grid: boolean) =>
        Array.from({ length: below(3) }, (_, i) => ({ name: `x${i}`, source: source(rows, columns, grid) }));
      const expr = input('x0');
      const store = (rows: Dim, columns: number, grid: boolean): Store => {
        if (grid && below(2) === 0) {
          return { expr, target: { to: 'buffer', buffer: matrix(FRAMED, columns), view: INSIDE } };
        }
        return { expr, target: { to: 'buffer', buffer: matrix(rows, columns) } };
      };
      const moving: readonly Dim[] = ['batch', POSITIONS];
      const anyRows = (): Dim => one([...moving, ...ROWS]);

      const vectorMap = (): Kernel => {
        const columns = one<Dim>(['batch', POSITIONS, 5, 130, SCALARS]);
        const stores: Store[] =
          below(2) === 0
            ? [{ expr, reduce: { fn: 'sum', to: 'row' }, target: { to: 'stepOutput', slot: 0 } }]
            : [{ expr, target: { to: 'buffer', buffer: vector(columns) } }];
        return {
          kind: 'map',
          label: 'vector',
          rows: 1,
          columns,
          bindings: bindings(1, columns, false),
          stores,
        };
      };
      const map = (): Kernel => {
        const rows = anyRows();
        const columns = one(COLUMNS);
        const stores = below(3) > 0 ? [store(rows, columns, rows === POSITIONS)] : [];
        const to = one(['row', 'col'] as const);
        if (stores.length === 0 || below(2) === 0) {
          const buffer = vector(to === 'row' ? rows : columns);
          stores.push({ expr: add(expr, 1), reduce: { fn: 'sum', to }, target: { to: 'buffer', buffer } });
        }
        const grid = rows === POSITIONS ? { grid: GRID } : {};
        return {
          kind: 'map',
          label: 'map',
          rows,
          columns,
          ...grid,
          bindings: bindings(rows, columns, rows === POSITIONS),
          stores,
        };
      };
      const gemm = (): Kernel => {
        const n = one(COLUMNS);
        const depth = one(COLUMNS);
        const form = one(['plain', 'aTransposed', 'bTransposed'] as const);
        const aTransposed = form === 'aTransposed';
        const windowed = below(2) === 0;
        const rows = windowed ? POSITIONS : one(moving);
        const taps = windowed
          ? [
              { rowStep: -5, block: aTransposed ? 0 : 1 },
              { rowStep: 2, block: aTransposed ? 1 : 0 },
            ]
          : [{ rowStep: 0, block: 0 }];
        const inner = taps.length * depth;
        const m = aTransposed ? inner : rows;
        return {
          kind: 'gemm',
          label: form,
          m,
          n,
          k: aTransposed ? rows : inner,
          a: matrix(windowed ? FRAMED : rows, depth),
          aTransposed,
          b: aTransposed
            ? matrix(rows, n)
            : form === 'plain'
              ? matrix(inner, n)
              : matrix(taps.length * n, depth),
          bTransposed: form === 'bTransposed',
          init: below(2) === 0 ? vector(n) : null,
          ...(windowed ? { windows: { grid: GRID, view: INSIDE, channels: depth, taps } } : {}),
          bindings: bindings(m, n, windowed && !aTransposed),
          stores: [
            aTransposed ? { expr, target: { to: 'buffer', buffer: matrix(m, n) } } : store(m, n, windowed),
          ],
        };
      };
      const move = (): Kernel => {
        const positions = one([1, 4]);
        const rows = positions === 1 ? anyRows() : 'batch';
        return {
          kind: 'move',
          label: 'move',
          direction: one(['flatten', 'unflatten'] as const),
          rows,
          positions,
          channels: 2,
          image: matrix(positions === 1 ? rows : POSITIONS, 3),
          imageColumn: below(2),
          flat: matrix(rows, 20),
          flatColumn: below(3),
          accumulate: false,
        };
      };
      const gather = (): Kernel => ({
        kind: 'gather',
        label: 'gather',
        table: 'features',
        columns: 3,
        out: matrix('batch', 3),
      });
      const count = 1 + below(6);
      for (let i = 0; i < count; i++) kernels.push(one([vectorMap, map, map, gemm, gemm, move, gather])());
      return kernels;
    },
  });
  return { plan, kernels };
}

describe('schedules', () => {
  it.each([1, 2, 3, 5])('of random programs divide and order the work of %i threads', (threads) => {
    for (let seed = 0; seed < 120; seed++) {
      const { plan, kernels } = randomProgram(seed * 8 + threads);
      check(plan, kernels, threads);
    }
  });

  it('of a dense network of three layers meet nine times a step at most', () => {
    const layer = (units: number, kind: string) => ({
      kind: 'dense',
      units,
      activation: { kind },
      weights: { kind: 'heNormal' },
      bias: { kind: 'zeros' },
    });
    const plan = createPlan(
      {
        model: { layers: [layer(30, 'relu'), layer(20, 'relu'), layer(10, 'softmax')] },
        loss: { kind: 'crossEntropy' },
        optimizer: { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
        training: { batchSize: BATCH },
        metrics: ['accuracy'],
      },
      { features: 40, targets: 10 },
    );
    for (const program of ['train', 'evaluate', 'predict'] as const) {
      check(plan, plan.programs[program].kernels, 2);
    }
    const barriers = schedule(plan.programs.train.kernels).filter((t) => t.barrier);
    expect(barriers.length).toBeLessThanOrEqual(9);
  });
});
