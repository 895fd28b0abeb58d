/**
 * The oracle: executes a plan kernel by kernel, in the orders that kernels.ts defines, one f32 rounding per operation.
 * Buffers are plain row-major arrays without padding, so padding cannot leak into a result here.
 */

import { codedTable, decoded } from '../coded-table.ts';
import type { ReduceFn } from '../expr.ts';
import type {
  Binding,
  BufferId,
  CreateExecutor,
  Dim,
  GatherKernel,
  GemmKernel,
  Grid,
  Kernel,
  MapKernel,
  MoveKernel,
  ProgramName,
  ResidentData,
  Store,
  View,
} from '../kernels.ts';
import { rowsPerSample, VIRTUAL_LANES } from '../kernels.ts';
import { linearize } from '../linearize.ts';
import { checkBatch, checkData } from './batch.ts';
import type { LaneMachine } from './lanes.ts';
import { createLaneMachine } from './lanes.ts';

/** One step's scalars and rows, as the kernels see them. */
interface Step {
  readonly indices: Int32Array;
  readonly inputs: Float32Array;
  readonly outputs: Float32Array;
}

type Run = (step: Step) => void;

/** Elements per strip; a multiple of the virtual lanes. */
const STRIP = 256;
const fround = Math.fround;

export const createInterpreter: CreateExecutor = (plan, data, stepsMax) => {
  checkData(plan, data);
  const matrices = plan.buffers.map((b): Matrix => {
    const columns =
      typeof b.columns === 'number' ? b.columns : plan.batchSize * (rowsPerSample(b.columns) ?? 1);
    const values = new Float32Array(b.capacityRows * columns).fill(b.fill);
    return { values, columns, perSample: rowsPerSample(b.rows) ?? 0 };
  });
  const matrix = (id: BufferId): Matrix => {
    const found = matrices[id];
    if (found === undefined) throw new RangeError(`no buffer ${id}`);
    return found;
  };
  const programs = new Map<string, readonly Run[]>();
  const compiled = (name: ProgramName): readonly Run[] => {
    const runs = programs.get(name) ?? plan.programs[name].kernels.map((k) => compileKernel(k, matrix, data));
    programs.set(name, runs);
    return runs;
  };

  return {
    backend: 'interpreter',
    run(program, batch) {
      checkBatch(plan, program, batch, { rows: data.rows, stepsMax });
      const { inputs, outputs } = plan.programs[program];
      const result = new Float32Array(batch.rows.length * outputs.length);
      const runs = compiled(program);
      let first = 0;
      for (const [s, rows] of batch.rows.entries()) {
        const step: Step = {
          indices: batch.indices.subarray(first, first + rows),
          inputs: batch.inputs.subarray(s * inputs.length, (s + 1) * inputs.length),
          outputs: result.subarray(s * outputs.length, (s + 1) * outputs.length),
        };
        for (const run of runs) run(step);
        first += rows;
      }
      return result;
    },
    read(id, into) {
      const { values } = matrix(id);
      if (into?.length !== values.length) return values.slice();
      into.set(values);
      return into;
    },
    readTransposed(id, into) {
      const { values, columns } = matrix(id);
      if (into.length !== values.length)
        throw new RangeError(`${into.length} values for a buffer of ${values.length}`);
      const rows = values.length / columns;
      for (let i = 0; i < values.length; i++) {
        into[(i % columns) * rows + Math.floor(i / columns)] = values[i] ?? 0;
      }
    },
    write(id, values) {
      const to = matrix(id).values;
      if (values.length !== to.length)
        throw new RangeError(`${values.length} values for a buffer of ${to.length}`);
      to.set(values);
    },
    dispose() {
      matrices.length = 0;
    },
  };
};

/** Row-major, without padding. `perSample`: its rows of each sample, 0 where rows are fixed. */
interface Matrix {
  readonly values: Float32Array;
  readonly columns: number;
  readonly perSample: number;
}
type Matrices = (id: BufferId) => Matrix;

function size(d: Dim, step: Step): number {
  return typeof d === 'number' ? d : step.indices.length * (rowsPerSample(d) ?? 1);
}

/** The row of a matrix that stands for a row of the domain. */
function rowOf(m: Matrix, view: View | undefined, grid: Grid | undefined): (row: number) => number {
  if (view === undefined) return (row) => row;
  if (grid === undefined) throw new Error('a view needs a grid');
  const positions = grid.height * grid.width;
  return (row) => {
    const sample = Math.floor(row / positions);
    const at = row - sample * positions;
    const y = Math.floor(at / grid.width);
    const x = at - y * grid.width;
    return sample * m.perSample + view.offset + y * view.yStride + x * view.xStride;
  };
}

function compileKernel(kernel: Kernel, matrix: Matrices, data: ResidentData): Run {
  switch (kernel.kind) {
    case 'gather':
      return compileGather(kernel, matrix, data);
    case 'map':
      return compileMap(kernel, matrix);
    case 'gemm':
      return compileGemm(kernel, matrix);
    case 'move':
      return compileMove(kernel, matrix);
    default:
      return kernel satisfies never;
  }
}

function compileGather(kernel: GatherKernel, matrix: Matrices, data: ResidentData): Run {
  const { columns } = kernel;
  const table = data[kernel.table];
  const out = matrix(kernel.out).values;
  const rowOf =
    table instanceof Uint8Array
      ? decodedRows(table, columns)
      : (row: number) => table.subarray(row * columns, (row + 1) * columns);
  return ({ indices }) => {
    for (const [i, row] of indices.entries()) out.set(rowOf(row), i * columns);
  };
}

/** Rows of a coded table, each valid until the next is asked for. */
function decodedRows(table: Uint8Array, columns: number): (row: number) => Float32Array {
  const { codes, offsets, factors } = codedTable(table, columns);
  const values = new Float32Array(columns);
  return (row) =>
    values.map((_, c) =>
      decoded(codes[row * columns + c] ?? 0, offsets[c] ?? Number.NaN, factors[c] ?? Number.NaN),
    );
}

/** Fills the input registers for the elements (row, first … first + count). */
type Load = (step: Step, row: number, first: number, count: number) => void;

function compileLoads(
  machine: LaneMachine,
  names: readonly string[],
  bindings: readonly Binding[],
  matrix: Matrices,
  grid: Grid | undefined,
) {
  return names.flatMap((name, i): Load[] => {
    const register = machine.inputs[i];
    const source = bindings.find((b) => b.name === name)?.source;
    if (register === undefined || source === undefined) return [];
    if (source.from === 'stepInput') {
      // As bits: a scalar may be the key of a random number.
      const bits = new Int32Array(register.buffer);
      return [({ inputs }) => bits.fill(new Int32Array(inputs.buffer, inputs.byteOffset)[source.slot] ?? 0)];
    }
    const from = matrix(source.buffer);
    const { values, columns } = from;
    if (source.extent === 'scalar') return [() => register.fill(values[0] ?? Number.NaN)];
    if (source.extent === 'row') return [(_, row) => register.fill(values[row] ?? Number.NaN)];
    if (source.extent === 'col')
      return [(_, _row, first, count) => register.set(values.subarray(first, first + count))];
    const place = rowOf(from, source.view, grid);
    return [
      (_, row, first, count) => {
        const at = place(row) * columns + first;
        register.set(values.subarray(at, at + count));
      },
    ];
  });
}

const joins: Readonly<Record<ReduceFn, (a: number, b: number) => number>> = {
  sum: (a, b) => fround(a + b),
  // biome-ignore lint/complexity/useMathMinMax: NaN and signed zeros go the other way there.
  max: (a, b) => (a > b ? a : b),
};
const identities: Readonly<Record<ReduceFn, number>> = { sum: 0, max: -Infinity };

/** Where a store's values go: strip by strip, then at each row's end, then at the end. */
interface Sink {
  begin(columns: number): void;
  strip(values: Float32Array, row: number, first: number, count: number): void;
  endRow(row: number, step: Step): void;
  end(columns: number): void;
}

const nothing = (): void => {};

function createSink(store: Store, matrix: Matrices, grid: Grid | undefined): Sink {
  const { reduce, target } = store;
  if (reduce === undefined) {
    if (target.to === 'stepOutput') throw new Error('a step output must be a reduction');
    const out = matrix(target.buffer);
    const place = rowOf(out, target.view, grid);
    return {
      begin: nothing,
      strip: (values, row, first, count) =>
        out.values.set(values.subarray(0, count), place(row) * out.columns + first),
      endRow: nothing,
      end: nothing,
    };
  }
  const join = joins[reduce.fn];
  const identity = identities[reduce.fn];
  if (reduce.to === 'row') {
    const lanes = new Float32Array(VIRTUAL_LANES).fill(identity);
    return {
      begin: nothing,
      strip: (values, _row, _first, count) => {
        for (let c = 0; c < count; c++) {
          const lane = c % VIRTUAL_LANES;
          lanes[lane] = join(lanes[lane] as number, values[c] as number);
        }
      },
      endRow: (row, step) => {
        for (let half = VIRTUAL_LANES / 2; half >= 1; half /= 2) {
          for (let l = 0; l < half; l++) lanes[l] = join(lanes[l] as number, lanes[l + half] as number);
        }
        if (target.to === 'stepOutput') step.outputs[target.slot] = lanes[0] as number;
        else matrix(target.buffer).values[row] = lanes[0] as number;
        lanes.fill(identity);
      },
      end: nothing,
    };
  }
  if (target.to === 'stepOutput') throw new Error('a step output is reduced along a row');
  const out = matrix(target.buffer).values;
  const sums = new Float32Array(out.length);
  return {
    begin: () => sums.fill(identity),
    strip: (values, _row, first, count) => {
      for (let c = 0; c < count; c++) sums[first + c] = join(sums[first + c] as number, values[c] as number);
    },
    endRow: nothing,
    end: (columns) => out.set(sums.subarray(0, columns)),
  };
}

function compileMap(kernel: MapKernel, matrix: Matrices): Run {
  const program = linearize(kernel.stores.map((s) => s.expr));
  const machine = createLaneMachine(program, STRIP);
  const names = program.inputs.map((i) => i.name);
  const loads = compileLoads(machine, names, kernel.bindings, matrix, kernel.grid);
  const sinks = kernel.stores.map((s) => createSink(s, matrix, kernel.grid));
  return (step) => {
    const rows = size(kernel.rows, step);
    const columns = size(kernel.columns, step);
    for (const sink of sinks) sink.begin(columns);
    for (let row = 0; row < rows; row++) {
      for (let first = 0; first < columns; first += STRIP) {
        const count = Math.min(STRIP, columns - first);
        for (const load of loads) load(step, row, first, count);
        machine.run(count, row, first);
        for (const [s, sink] of sinks.entries()) {
          sink.strip(machine.results[s] as Float32Array, row, first, count);
        }
      }
      for (const sink of sinks) sink.endRow(row, step);
    }
    for (const sink of sinks) sink.end(columns);
  };
}

/** Sums one row of the output, k ascending, into `acc`. */
type SumRow = (acc: Float32Array, row: number, n: number, k: number) => void;

function compileSums(kernel: GemmKernel, matrix: Matrices): SumRow {
  const a = matrix(kernel.a);
  const b = matrix(kernel.b);
  const { windows, aTransposed, bTransposed } = kernel;
  const place = rowOf(a, windows?.view, windows?.grid);
  const channels = windows?.channels ?? a.columns;
  const taps = windows?.taps ?? [{ rowStep: 0, block: 0 }];
  if (aTransposed) {
    if (bTransposed) throw new Error(`${kernel.label}: both operands are transposed`);
    return (acc, row, n, k) => {
      const tap = taps[Math.floor(row / channels)];
      if (tap === undefined) throw new Error(`${kernel.label}: no tap for row ${row}`);
      for (let i = 0; i < k; i++) {
        const factor = a.values[(place(i) + tap.rowStep) * a.columns + (row % channels)] as number;
        addScaled(acc, factor, b.values, i * b.columns, n);
      }
    };
  }
  return (acc, row, n) => {
    for (const { rowStep, block } of taps) {
      const from = (place(row) + rowStep) * a.columns;
      for (let c = 0; c < channels; c++) {
        const factor = a.values[from + c] as number;
        if (!bTransposed) addScaled(acc, factor, b.values, (block * channels + c) * b.columns, n);
        else addScaledColumn(acc, factor, b.values, block * n * b.columns + c, b.columns, n);
      }
    }
  };
}

function compileGemm(kernel: GemmKernel, matrix: Matrices): Run {
  const program = linearize(kernel.stores.map((s) => s.expr));
  const machine = createLaneMachine(program, STRIP);
  const names = program.inputs.map((i) => i.name);
  const grid = kernel.windows?.grid;
  const loads = compileLoads(machine, names, kernel.bindings, matrix, grid);
  const accumulated = machine.inputs[names.indexOf('acc')] ?? null;
  const sinks = kernel.stores.map((s) => createSink(s, matrix, grid));
  const init = kernel.init === null ? null : matrix(kernel.init).values;
  const sumRow = compileSums(kernel, matrix);
  return (step) => {
    const m = size(kernel.m, step);
    const n = size(kernel.n, step);
    const k = size(kernel.k, step);
    const acc = new Float32Array(n);
    for (let row = 0; row < m; row++) {
      if (init === null) acc.fill(0);
      else acc.set(init.subarray(0, n));
      sumRow(acc, row, n, k);
      for (let first = 0; first < n; first += STRIP) {
        const count = Math.min(STRIP, n - first);
        for (const load of loads) load(step, row, first, count);
        accumulated?.set(acc.subarray(first, first + count));
        machine.run(count, row, first);
        for (const [s, sink] of sinks.entries()) {
          sink.strip(machine.results[s] as Float32Array, row, first, count);
        }
      }
    }
  };
}

/** acc[j] = fround(acc[j] + fround(factor · b[offset + j])): the store into a Float32Array rounds the sum. */
function addScaled(acc: Float32Array, factor: number, b: Float32Array, offset: number, n: number): void {
  for (let j = 0; j < n; j++) acc[j] = (acc[j] as number) + fround(factor * (b[offset + j] as number));
}

/** The same down a column of b. */
function addScaledColumn(
  acc: Float32Array,
  factor: number,
  b: Float32Array,
  offset: number,
  stride: number,
  n: number,
): void {
  for (let j = 0; j < n; j++) {
    acc[j] = (acc[j] as number) + fround(factor * (b[offset + j * stride] as number));
  }
}

function compileMove(kernel: MoveKernel, matrix: Matrices): Run {
  const { positions, channels, imageColumn, flatColumn, accumulate } = kernel;
  const image = matrix(kernel.image);
  const flat = matrix(kernel.flat);
  const [from, to] = kernel.direction === 'flatten' ? [image, flat] : [flat, image];
  return (step) => {
    const rows = size(kernel.rows, step);
    for (let row = 0; row < rows; row++) {
      for (let p = 0; p < positions; p++) {
        for (let c = 0; c < channels; c++) {
          const inImage = (row * positions + p) * image.columns + imageColumn + c;
          const inFlat = row * flat.columns + flatColumn + c * positions + p;
          const [source, sink] = kernel.direction === 'flatten' ? [inImage, inFlat] : [inFlat, inImage];
          const value = from.values[source] as number;
          to.values[sink] = accumulate ? (to.values[sink] as number) + value : value;
        }
      }
    }
  };
}
