import { describe, expect, it } from 'vitest';
import { emitBackward, keptForBackward } from '../../../src/engine/backward.ts';
import { createBufferTable } from '../../../src/engine/buffers.ts';
import { input, mul, rowMax, sub, tanh } from '../../../src/engine/expr.ts';
import { emitForward } from '../../../src/engine/forward.ts';
import type { Update } from '../../../src/engine/gradients.ts';
import type { Graph, Node } from '../../../src/engine/graph.ts';
import { createGraph, reachable } from '../../../src/engine/graph.ts';
import type { BufferId, Plan } from '../../../src/engine/kernels.ts';
import { mergeMaps } from '../../../src/engine/modes.ts';
import { createNetwork, createPlacement } from '../../../src/engine/network.ts';
import { expectSameRun, lengthOf, normals, oneStep } from './codegen/compare.ts';

const ROWS = 3;
const FEATURES = 4;
const fans = { fanIn: FEATURES, fanOut: FEATURES, initializer: { kind: 'zeros' }, role: 'weight' } as const;

/** A plan whose training step subtracts from each parameter its gradient under a given cotangent of the output. */
function compile(build: (graph: Graph) => Node): { plan: Plan; cotangent: BufferId; output: BufferId } {
  const graph = createGraph(FEATURES);
  const output = graph.node(build(graph));
  const buffers = createBufferTable(ROWS, 16);
  const placed = graph.parameters.map((p) => {
    const [units = 0, inputs] = p.shape;
    return inputs === undefined ? buffers.vector(p.name, units) : buffers.matrix(p.name, inputs, units);
  });
  const buffer = (p: { name: string }): BufferId =>
    placed[graph.parameters.findIndex((q) => q.name === p.name)] ?? -1;
  const placement = createPlacement({ buffers, parameter: buffer, scalar: () => null });
  const net = createNetwork(mergeMaps({ nodes: reachable(graph, [output]), output }, true), placement);
  const cotangent = buffers.matrix('cotangent', 'batch', output.features);
  const kept = keptForBackward(net);
  const forward = emitForward(net, kept);
  const update: Update = {
    together: null,
    outputs: (p, gradient) => {
      const parameter = input('parameter', p.shape.length === 2 ? 'full' : 'col');
      return [{ expr: sub(parameter, gradient), target: { to: 'buffer', buffer: buffer(p) } }];
    },
    sources: (p) => ({
      parameter: { from: 'buffer', buffer: buffer(p), extent: p.shape.length === 2 ? 'full' : 'col' },
    }),
  };
  const backward = emitBackward(net, cotangent, update, kept);
  const program = (kernels: Plan['programs']['train']['kernels']) => ({
    kernels,
    inputs: [],
    outputs: [],
    flops: 0,
  });
  const plan: Plan = {
    batchSize: ROWS,
    panel: 16,
    featureCount: FEATURES,
    targetCount: 1,
    outputCount: output.features,
    ...buffers.place(),
    parameters: graph.parameters.map((p) => ({
      ...p,
      trained: true,
      buffer: buffer(p),
      transposed: p.shape.length === 2,
      slots: {},
    })),
    parameterCount: 0,
    streams: [],
    programs: { train: program([...forward, ...backward]), evaluate: program(forward), predict: program([]) },
    prediction: placement.value(net.output),
  };
  return { plan, cotangent, output: placement.value(net.output) };
}

function expectGradients(build: (graph: Graph) => Node): void {
  const { plan, cotangent, output } = compile(build);
  const start = (name: string, length: number) => normals(length, name).map((v) => v / 2);
  const executor = expectSameRun(plan, { batch: oneStep(ROWS), values: start });
  const g = start('cotangent', lengthOf(plan, cotangent));
  const value = (): number => {
    executor.run('evaluate', oneStep(ROWS));
    return executor.read(output).reduce((sum, v, i) => sum + v * (g[i] ?? 0), 0);
  };
  const after = plan.parameters.map((p) => executor.read(p.buffer));
  const before = plan.parameters.map((p) => start(p.name, lengthOf(plan, p.buffer)));
  for (const [i, p] of plan.parameters.entries()) executor.write(p.buffer, before[i] ?? new Float32Array());
  const h = 2 ** -7;
  for (const [i, p] of plan.parameters.entries()) {
    for (const [k, v] of (before[i] ?? []).entries()) {
      const [up = 0, down = 0] = [h, -h].map((step) => {
        executor.write(
          p.buffer,
          (before[i] ?? new Float32Array()).map((w, at) => (at === k ? w + step : w)),
        );
        return value();
      });
      executor.write(p.buffer, before[i] ?? new Float32Array());
      expect(Math.abs((up - down) / (2 * h) - (v - (after[i]?.[k] ?? Number.NaN)))).toBeLessThan(5e-3);
    }
  }
}

const dense = (graph: Graph, x: Node, name: string): Node =>
  graph.affine(
    x,
    graph.parameter(`${name}.weight`, { ...fans, shape: [FEATURES, x.features] }),
    graph.parameter(`${name}.bias`, { ...fans, shape: [FEATURES] }),
  );

describe('gradients through graphs', () => {
  it('add up where a value goes two ways', () => {
    expectGradients((graph) => {
      const h = graph.map(dense(graph, graph.data, 'first'), tanh);
      const skip = graph.add(h, dense(graph, h, 'second'));
      return graph.add(graph.map(skip, tanh), skip);
    });
  });

  it('add up where a parameter is used twice', () => {
    expectGradients((graph) => {
      const weight = graph.parameter('weight', { ...fans, shape: [FEATURES, FEATURES] });
      const bias = graph.parameter('bias', { ...fans, shape: [FEATURES] });
      const h = graph.map(graph.affine(graph.data, weight, bias), tanh);
      return graph.affine(h, weight, bias);
    });
  });

  it('count a node added to itself twice', () => {
    expectGradients((graph) => {
      const h = dense(graph, graph.data, 'first');
      return graph.add(h, h);
    });
  });

  it('go through maps that reduce a row, and keep what an elementwise map needs', () => {
    expectGradients((graph) => {
      const h = graph.map(dense(graph, graph.data, 'first'), (x) => mul(x, mul(x, x)));
      const shifted = graph.map(dense(graph, h, 'second'), (x) => sub(x, mul(rowMax(x), 0.5)));
      return dense(graph, shifted, 'third');
    });
  });
});

describe('the graph builder', () => {
  it('returns the node itself for the identity', () => {
    const graph = createGraph(2);
    expect(graph.map(graph.data, (x) => x)).toBe(graph.data);
  });

  it('refuses shapes that do not fit, strangers, and a name used twice', () => {
    const graph = createGraph(3);
    const weight = graph.parameter('w', { ...fans, shape: [2, 4] });
    const good = graph.parameter('good', { ...fans, shape: [2, 3] });
    const bias = graph.parameter('b', { ...fans, shape: [3] });
    expect(() => graph.affine(graph.data, weight, null)).toThrow('takes 4 inputs');
    expect(() => graph.affine(graph.data, good, bias)).toThrow('shape [2]');
    expect(() => graph.parameter('w', { ...fans, shape: [1] })).toThrow('two parameters');
    expect(() => graph.map(createGraph(3).data, tanh)).toThrow('another graph');
    expect(() => graph.add(graph.data, graph.affine(graph.data, good, null))).toThrow('cannot combine');
  });

  it('leaves out what the output does not need', () => {
    const graph = createGraph(4);
    const used = dense(graph, graph.data, 'used');
    dense(graph, used, 'unused');
    expect(reachable(graph, [graph.node(used)])).toHaveLength(2);
  });
});
