/**
 * The oracle: executes a plan kernel by kernel, in the orders that kernels.ts defines, one f32 rounding per operation.
 * Buffers are plain row-major arrays without padding, so padding cannot leak into a result here.
 */

import type { ReduceFn } from '../expr.ts';
import type {
  Binding,
  BufferId,
  CreateExecutor,
  Dim,
  GemmKernel,
  Kernel,
  MapKernel,
  ProgramName,
  ResidentData,
  Store,
} from '../kernels.ts';
import { VIRTUAL_LANES } from '../kernels.ts';
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
  const buffers = plan.buffers.map((b) => {
    const columns = b.columns === 'batch' ? plan.batchSize : b.columns;
    return new Float32Array(b.capacityRows * columns);
  });
  const buffer = (id: BufferId): Float32Array => {
    const found = buffers[id];
    if (found === undefined) throw new RangeError(`no buffer ${id}`);
    return found;
  };
  const programs = new Map<string, readonly Run[]>();
  const compiled = (name: ProgramName): readonly Run[] => {
    const runs = programs.get(name) ?? plan.programs[name].kernels.map((k) => compileKernel(k, buffer, data));
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
    read: (id) => buffer(id).slice(),
    write(id, values) {
      const to = buffer(id);
      if (values.length !== to.length)
        throw new RangeError(`${values.length} values for a buffer of ${to.length}`);
      to.set(values);
    },
    dispose() {
      buffers.length = 0;
    },
  };
};

type Buffers = (id: BufferId) => Float32Array;
const size = (d: Dim, step: Step): number => (d === 'batch' ? step.indices.length : d);

function compileKernel(kernel: Kernel, buffer: Buffers, data: ResidentData): Run {
  switch (kernel.kind) {
    case 'gather': {
      const { columns } = kernel;
      const table = data[kernel.table];
      const out = buffer(kernel.out);
      return ({ indices }) => {
        for (const [i, row] of indices.entries()) {
          out.set(table.subarray(row * columns, (row + 1) * columns), i * columns);
        }
      };
    }
    case 'map':
      return compileMap(kernel, buffer);
    case 'gemm':
      return compileGemm(kernel, buffer);
    default:
      return kernel satisfies never;
  }
}

/** Fills the input registers for the elements (row, first … first + count). */
type Load = (step: Step, row: number, first: number, count: number, columns: number) => void;

function compileLoads(
  machine: LaneMachine,
  names: readonly string[],
  bindings: readonly Binding[],
  buffer: Buffers,
) {
  return names.flatMap((name, i): Load[] => {
    const register = machine.inputs[i];
    const source = bindings.find((b) => b.name === name)?.source;
    if (register === undefined || source === undefined) return [];
    if (source.from === 'stepInput') return [(step) => register.fill(step.inputs[source.slot] ?? Number.NaN)];
    const from = buffer(source.buffer);
    if (source.extent === 'row') return [(_, row) => register.fill(from[row] ?? Number.NaN)];
    const rowStride = source.extent === 'full' ? 1 : 0;
    return [
      (_, row, first, count, columns) => {
        const at = rowStride * row * columns + first;
        register.set(from.subarray(at, at + count));
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
  strip(values: Float32Array, row: number, first: number, count: number, columns: number): void;
  endRow(row: number, step: Step): void;
  end(columns: number): void;
}

const nothing = (): void => {};

function createSink(store: Store, buffer: Buffers): Sink {
  const { reduce, target } = store;
  if (reduce === undefined) {
    if (target.to === 'stepOutput') throw new Error('a step output must be a reduction');
    const out = buffer(target.buffer);
    return {
      begin: nothing,
      strip: (values, row, first, count, columns) =>
        out.set(values.subarray(0, count), row * columns + first),
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
        else buffer(target.buffer)[row] = lanes[0] as number;
        lanes.fill(identity);
      },
      end: nothing,
    };
  }
  if (target.to === 'stepOutput') throw new Error('a step output is reduced along a row');
  const out = buffer(target.buffer);
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

function compileMap(kernel: MapKernel, buffer: Buffers): Run {
  const program = linearize(kernel.stores.map((s) => s.expr));
  const machine = createLaneMachine(program, STRIP);
  const names = program.inputs.map((i) => i.name);
  const loads = compileLoads(machine, names, kernel.bindings, buffer);
  const sinks = kernel.stores.map((s) => createSink(s, buffer));
  return (step) => {
    const rows = size(kernel.rows, step);
    const columns = size(kernel.columns, step);
    for (const sink of sinks) sink.begin(columns);
    for (let row = 0; row < rows; row++) {
      for (let first = 0; first < columns; first += STRIP) {
        const count = Math.min(STRIP, columns - first);
        for (const load of loads) load(step, row, first, count, columns);
        machine.run(count);
        for (const [s, sink] of sinks.entries()) {
          sink.strip(machine.results[s] as Float32Array, row, first, count, columns);
        }
      }
      for (const sink of sinks) sink.endRow(row, step);
    }
    for (const sink of sinks) sink.end(columns);
  };
}

function compileGemm(kernel: GemmKernel, buffer: Buffers): Run {
  const program = linearize(kernel.stores.map((s) => s.expr));
  const machine = createLaneMachine(program, STRIP);
  const names = program.inputs.map((i) => i.name);
  const loads = compileLoads(machine, names, kernel.bindings, buffer);
  const sums = machine.inputs[names.indexOf('acc')] ?? null;
  const sinks = kernel.stores.map((s) => createSink(s, buffer));
  const a = buffer(kernel.a);
  const init = kernel.init === null ? null : buffer(kernel.init);
  return (step) => {
    const m = size(kernel.m, step);
    const n = size(kernel.n, step);
    const k = size(kernel.k, step);
    const b = kernel.bTransposed ? transposed(buffer(kernel.b), n, k) : buffer(kernel.b);
    const acc = new Float32Array(n);
    for (let row = 0; row < m; row++) {
      if (init === null) acc.fill(0);
      else acc.set(init.subarray(0, n));
      for (let i = 0; i < k; i++) {
        const factor = a[kernel.aTransposed ? i * m + row : row * k + i] as number;
        addScaled(acc, factor, b, i * n, n);
      }
      for (let first = 0; first < n; first += STRIP) {
        const count = Math.min(STRIP, n - first);
        for (const load of loads) load(step, row, first, count, n);
        sums?.set(acc.subarray(first, first + count));
        machine.run(count);
        for (const [s, sink] of sinks.entries()) {
          sink.strip(machine.results[s] as Float32Array, row, first, count, n);
        }
      }
    }
  };
}

/** acc[j] = fround(acc[j] + fround(factor · b[offset + j])): the store into a Float32Array rounds the sum. */
function addScaled(acc: Float32Array, factor: number, b: Float32Array, offset: number, n: number): void {
  for (let j = 0; j < n; j++) acc[j] = (acc[j] as number) + fround(factor * (b[offset + j] as number));
}

/** rows × columns to columns × rows. */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c] as number;
  }
  return out;
}
