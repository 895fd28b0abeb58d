/**
 * One layer under test, or one after another: the output, and the gradients of what is read, for given numbers. Each input is the weight of a
 * product with the identity matrix, so that the layer is part of a graph whose parameters are all that it reads, and the
 * input's gradient is found like any other. Images are [samples, channels, height, width], row-major.
 */
import type { CreateExecutor, Executor, ResidentData } from '../../../../../src/engine/kernels.ts';
import type { LayerShape } from '../../../../../src/engine/kinds/kind.ts';
import { sizeOf } from '../../../../../src/engine/kinds/layers/fields.ts';
import { layers } from '../../../../../src/engine/kinds/layers/registry.ts';
import { initialState, readState, writeValues } from '../../../../../src/engine/parameters.ts';
import type { CompiledGraph } from '../../compiled-graph.ts';
import { compileGraph, evaluationOf, stepOf } from '../../compiled-graph.ts';

type Numbers = ArrayLike<number>;
/** `input`, or `input0`, `input1` … where there are several; `weight`, `bias`, `runningMean` … */
export type Named<T> = Readonly<Record<string, T>>;

export interface LayerStep {
  readonly rows: number;
  /** Of the output: rows × its numbers. */
  readonly gradient: Numbers;
  readonly seed?: number;
  readonly step?: number;
}

export interface LayerUnderTest {
  readonly compiled: CompiledGraph;
  /** How many numbers each of what it reads has, in a whole batch. */
  readonly sizes: Named<number>;
  /** Numbers of the output per sample. */
  readonly outputSize: number;
  /** What is not given stays as it is; at first parameters are as initialised and inputs zero. */
  write(values: Named<Numbers>): void;
  /** One training step: the output and the gradient of everything trained and of the inputs. */
  train(step: LayerStep): { readonly output: Float32Array; readonly gradients: Named<Float32Array> };
  /** The output at inference. */
  infer(rows: number): Float32Array;
  read(name: string): Float32Array;
  dispose(): void;
}

const LAYER = 'layer';
const identity = (size: number): ResidentData => {
  const features = new Float32Array(size * size);
  for (let i = 0; i < size; i++) features[i * size + i] = 1;
  return { rows: size, features, targets: new Float32Array(size) };
};

export function layerUnderTest(
  backend: CreateExecutor,
  at: {
    readonly spec: object;
    /** Layers that follow, each taking the one before; their numbers are named `1.weight` and so on. */
    readonly next?: readonly object[];
    readonly inputs: readonly LayerShape[];
    readonly batchSize: number;
  },
): LayerUnderTest {
  const { inputs, batchSize } = at;
  const [spec, ...others] = [at.spec, ...(at.next ?? [])].map((written) => layers.schema.parse(written));
  if (spec === undefined) throw new Error('no layer');
  const inputNames = inputs.map((_, i) => (inputs.length === 1 ? 'input' : `input${i}`));
  const compiled = compileGraph({
    batchSize,
    features: batchSize,
    asWritten: new Set(inputNames),
    build: (graph) => {
      const nodes = inputs.map((shape, i) => {
        const weight = graph.parameter(inputNames[i] ?? '', {
          shape: [sizeOf(shape), batchSize],
          fanIn: 1,
          fanOut: 1,
          initializer: { kind: 'zeros' },
          role: 'weight',
        });
        const flat = graph.affine(graph.data, weight, null);
        return shape.image === null ? flat : graph.unflatten(flat, shape.image);
      });
      const [first, ...rest] = nodes;
      if (first === undefined) throw new Error('a layer has an input');
      const out = others.reduce(
        (x, other, i) => layers.get(other.kind).build(graph, [x], other, `${LAYER}.${i + 1}`),
        layers.get(spec.kind).build(graph, [first, ...rest], spec, LAYER),
      );
      return out.image === null ? out : graph.flatten(out);
    },
  });
  const { plan } = compiled;
  const executor: Executor = backend(plan, identity(batchSize), 1);
  const shortName = (name: string): string => name.replace(`${LAYER}.`, '');
  const state = initialState(plan, 0);
  writeValues(executor, plan, state.values);
  const outputSize = plan.outputCount;
  const given = plan.parameters.map((p, i) => ({ name: shortName(p.name), values: state.values[i] }));
  const current = (): Named<Float32Array> => {
    const { values } = readState(executor, plan);
    return Object.fromEntries(given.map(({ name }, i) => [name, values[i] ?? new Float32Array()]));
  };
  return {
    compiled,
    sizes: Object.fromEntries(given.map(({ name, values }) => [name, values?.length ?? 0])),
    outputSize,
    write(values) {
      const before = current();
      const next = given.map(({ name }) => Float32Array.from(values[name] ?? before[name] ?? []));
      writeValues(executor, plan, next);
    },
    train({ rows, gradient, seed = 0, step = 0 }) {
      // What lies behind the step's own rows is of no concern to it.
      const cotangent = new Float32Array(batchSize * outputSize).fill(1e6);
      cotangent.set(Float32Array.from(gradient).subarray(0, rows * outputSize));
      executor.write(compiled.cotangent, cotangent);
      executor.run('train', stepOf(compiled, rows, { seed, step }));
      const { slots } = readState(executor, plan);
      const gradients = given.flatMap(({ name }, i) => {
        const found = slots[i]?.gradient;
        return found === undefined ? [] : [[name, found] as const];
      });
      const output = executor.read(compiled.output).slice(0, rows * outputSize);
      return { output, gradients: Object.fromEntries(gradients) };
    },
    infer(rows) {
      executor.run('evaluate', evaluationOf(rows));
      return executor.read(compiled.inference).slice(0, rows * outputSize);
    },
    read: (name) => current()[name] ?? new Float32Array(),
    dispose: () => executor.dispose(),
  };
}
