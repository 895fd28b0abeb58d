import { describe, expect, it } from 'vitest';
import { mul, rowMax, sub, tanh } from '../../../src/engine/expr.ts';
import type { Graph, Node } from '../../../src/engine/graph.ts';
import { createGraph, reachable } from '../../../src/engine/graph.ts';
import { expectSameRun, lengthOf, normals } from './codegen/compare.ts';
import { compileGraph, evaluationOf, stepOf } from './compiled-graph.ts';

const ROWS = 3;
const FEATURES = 4;
const fans = { fanIn: FEATURES, fanOut: FEATURES, initializer: { kind: 'zeros' }, role: 'weight' } as const;

function expectGradients(build: (graph: Graph) => Node): void {
  const compiled = compileGraph({ batchSize: ROWS, features: FEATURES, build });
  const { plan, cotangent, inference } = compiled;
  const start = (name: string, length: number) => normals(length, name).map((v) => v / 2);
  const executor = expectSameRun(plan, { batch: stepOf(compiled, ROWS), values: start });
  const g = start('cotangent', lengthOf(plan, cotangent));
  const value = (): number => {
    executor.run('evaluate', evaluationOf(ROWS));
    return executor.read(inference).reduce((sum, v, i) => sum + v * (g[i] ?? 0), 0);
  };
  const h = 2 ** -7;
  for (const { name, buffer, slots } of plan.parameters) {
    const before = start(name, lengthOf(plan, buffer));
    const gradient = executor.read(slots.gradient ?? -1);
    for (const k of before.keys()) {
      const [up = 0, down = 0] = [h, -h].map((step) => {
        executor.write(
          buffer,
          before.map((w, i) => (i === k ? w + step : w)),
        );
        return value();
      });
      executor.write(buffer, before);
      expect(Math.abs((up - down) / (2 * h) - (gradient[k] ?? Number.NaN))).toBeLessThan(5e-3);
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
