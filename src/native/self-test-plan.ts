/** What machine code is tested on: a plan of a few small kernels of every form, which no training would have. */
import type { BufferTable } from '../engine/buffers.ts';
import { createBufferTable } from '../engine/buffers.ts';
import type { Expr } from '../engine/expr.ts';
import { add, ge, iadd, imul, index, input, integer, max, mul, select, sub } from '../engine/expr.ts';
import type { Binding, BufferId, Dim, GemmKernel, Kernel, Plan, Store } from '../engine/kernels.ts';
import { expandCalls } from '../engine/math.ts';
import type { Random } from '../engine/random.ts';
import { everyOperation, randomLanes } from './random-lanes.ts';

const BATCH = 5;
const COLUMNS = 18;
const UNITS = 11;
const FORMULAS = 2;
const DEPTH = 3;
/** So many that there is no code of its own for whole batches: it would be made of the same instructions. */
const FLOPS = 1e6;
/** An image of 5 × 6 positions with 3 channels, seen through windows of 2 × 2 at 2 × 4 positions. */
const IMAGE = { perSample: 30 };
const POSITIONS = { perSample: 8 };
const CHANNELS = 3;
const WINDOWS = {
  grid: { height: 2, width: 4 },
  view: { offset: 6, yStride: 12, xStride: 1 },
  channels: CHANNELS,
  taps: [0, 1, 6, 7].map((rowStep, block) => ({ rowStep, block })),
};

export function selfTestPlan(random: Random): Plan {
  const buffers = createBufferTable(BATCH, 16);
  const x = buffers.matrix('x', 'batch', COLUMNS);
  const kernels: Kernel[] = [
    { kind: 'gather', label: 'x', table: 'features', columns: COLUMNS, out: x },
    ...lanes(buffers, random, x),
    ...products(buffers, x),
    ...images(buffers),
  ];
  const nothing = { kernels: [], inputs: [], outputs: [], flops: 0 };
  return {
    batchSize: BATCH,
    panel: 16,
    featureCount: COLUMNS,
    targetCount: 1,
    coded: false,
    outputCount: 1,
    ...buffers.place(),
    parameters: [],
    parameterCount: 0,
    streams: [],
    programs: {
      train: { kernels, inputs: ['s'], outputs: ['total'], flops: FLOPS },
      evaluate: nothing,
      predict: nothing,
    },
    prediction: x,
  };
}

const bound = (name: string, buffer: BufferId, extent: 'full' | 'row' | 'col'): Binding => ({
  name,
  source: { from: 'buffer', buffer, extent },
});
const stored = (expr: Expr, buffer: BufferId): Store => ({ expr, target: { to: 'buffer', buffer } });

/** Formulas at random, element by element and reduced both ways. */
function lanes(buffers: BufferTable, random: Random, x: BufferId): Kernel[] {
  const perRow = buffers.vector('per row', 'batch');
  const bindings: Binding[] = [
    bound('p', x, 'full'),
    bound('q', buffers.matrix('q', 'batch', COLUMNS), 'full'),
    bound('r', perRow, 'row'),
    bound('c', buffers.vector('per column', COLUMNS), 'col'),
    { name: 's', source: { from: 'stepInput', slot: 0 } },
  ];
  const [p, q] = [input('p'), input('q')];
  const floats = [p, q, input('r', 'row'), input('c', 'col'), input('s', 'scalar')];
  const integers = [index('row'), index('col'), integer(0x9e3779b9), integer(7)];
  const formulas = [
    ...everyOperation([p, q], [imul(index('col'), integer(0x9e3779b9)), iadd(index('row'), integer(77))]),
    ...randomLanes(random, { floats, integers }, FORMULAS, DEPTH),
  ].map((f) =>
    // Whatever a formula spreads over, it is stored for every element.
    expandCalls(select(ge(p, -9), f, q)),
  );
  const domain = { kind: 'map', rows: 'batch', columns: COLUMNS, bindings } as const;
  const [first, second] = [mul(p, input('c', 'col')), sub(p, q)];
  const reduced = (to: 'row' | 'col', length: Dim): Store[] => [
    { ...stored(first, buffers.vector(`sum to ${to}`, length)), reduce: { fn: 'sum', to } },
    { ...stored(second, buffers.vector(`max to ${to}`, length)), reduce: { fn: 'max', to } },
  ];
  return [
    {
      ...domain,
      label: 'formulas',
      stores: formulas.map((f, i) => stored(f, buffers.matrix(`formula ${i}`, 'batch', COLUMNS))),
    },
    { ...domain, label: 'to rows', stores: reduced('row', 'batch') },
    { ...domain, label: 'to columns', stores: reduced('col', COLUMNS) },
    {
      kind: 'map',
      label: 'total',
      rows: 1,
      columns: 'batch',
      bindings: [bound('r', perRow, 'col')],
      stores: [
        {
          expr: input('r', 'col'),
          reduce: { fn: 'sum', to: 'row' },
          target: { to: 'stepOutput', slot: 0 },
        },
      ],
    },
  ];
}

type Shape = Pick<GemmKernel, 'm' | 'n' | 'k' | 'a' | 'b'> & Partial<GemmKernel>;

function product(buffers: BufferTable, label: string, shape: Shape): GemmKernel {
  const { m, n } = shape;
  const typed = typeof n === 'number' ? n : 0;
  const init = buffers.vector(`${label}: bias`, typed);
  const out = buffers.matrix(`${label}: out`, m, typed);
  return {
    kind: 'gemm',
    label,
    aTransposed: false,
    bTransposed: false,
    init,
    bindings: [
      bound('old', out, 'full'),
      bound('c', init, 'col'),
      { name: 's', source: { from: 'stepInput', slot: 0 } },
    ],
    stores: [
      stored(sub(input('old'), mul(input('acc'), input('s', 'scalar'))), out),
      stored(max(add(input('acc'), input('c', 'col')), 0), buffers.matrix(`${label}: activated`, m, typed)),
    ],
    ...shape,
  };
}

function products(buffers: BufferTable, x: BufferId): Kernel[] {
  const weights = buffers.matrix('weights', COLUMNS, UNITS);
  const gradient = buffers.matrix('gradient', 'batch', UNITS);
  return [
    product(buffers, 'plain', { m: 'batch', n: UNITS, k: COLUMNS, a: x, b: weights }),
    product(buffers, 'Bᵀ', {
      m: 'batch',
      n: COLUMNS,
      k: UNITS,
      a: gradient,
      b: weights,
      bTransposed: true,
    }),
    product(buffers, 'Aᵀ', { m: COLUMNS, n: UNITS, k: 'batch', a: x, b: gradient, aTransposed: true }),
  ];
}

function images(buffers: BufferTable): Kernel[] {
  const image = buffers.matrix('image', IMAGE, CHANNELS);
  const gradient = buffers.matrix('image gradient', POSITIONS, UNITS);
  const k = WINDOWS.taps.length * CHANNELS;
  const windows = WINDOWS;
  const move = { kind: 'move', rows: 'batch', positions: 8, channels: UNITS, imageColumn: 0 } as const;
  const flat = buffers.matrix('flat', 'batch', 8 * UNITS + 3);
  const back = buffers.matrix('back', POSITIONS, UNITS);
  return [
    product(buffers, 'windows', {
      m: POSITIONS,
      n: UNITS,
      k,
      a: image,
      b: buffers.matrix('taps', k, UNITS),
      windows,
    }),
    product(buffers, 'windows, Bᵀ', {
      m: POSITIONS,
      n: UNITS,
      k,
      a: image,
      b: buffers.matrix('taps, transposed', WINDOWS.taps.length * UNITS, CHANNELS),
      bTransposed: true,
      windows,
    }),
    product(buffers, 'windows, Aᵀ', {
      m: k,
      n: UNITS,
      k: POSITIONS,
      a: image,
      b: gradient,
      aTransposed: true,
      windows,
    }),
    {
      ...move,
      label: 'flatten',
      direction: 'flatten',
      image: gradient,
      flat,
      flatColumn: 3,
      accumulate: false,
    },
    {
      ...move,
      label: 'unflatten',
      direction: 'unflatten',
      image: back,
      flat,
      flatColumn: 2,
      accumulate: true,
    },
  ];
}
