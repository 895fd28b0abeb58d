import { describe, expect, it } from 'vitest';
import { createGraph } from '../../../../src/engine/graph.ts';
import { layers } from '../../../../src/engine/kinds/layers/registry.ts';

const dense = layers.get('dense');
const parse = (spec: object) => dense.schema.parse({ kind: 'dense', units: 4, ...spec });

function build(spec: object) {
  const graph = createGraph(3);
  const out = dense.build(graph, [graph.data], parse(spec), 'layers.0');
  return { graph, out };
}

describe('dense', () => {
  it('has a weight of [units, inputs] and a bias of [units]', () => {
    const { graph, out } = build({});
    expect(graph.parameters).toEqual([
      {
        name: 'layers.0.weight',
        shape: [4, 3],
        fanIn: 3,
        fanOut: 4,
        initializer: { kind: 'xavierUniform' },
        role: 'weight',
      },
      {
        name: 'layers.0.bias',
        shape: [4],
        fanIn: 3,
        fanOut: 4,
        initializer: { kind: 'zeros' },
        role: 'bias',
      },
    ]);
    expect(out.features).toBe(4);
    expect(dense.parameterCount([{ features: 3, image: null }], parse({}))).toBe(16);
  });

  it.each([
    ['linear', 'xavierUniform'],
    ['sigmoid', 'xavierUniform'],
    ['tanh', 'xavierUniform'],
    ['softmax', 'xavierUniform'],
    ['relu', 'heNormal'],
  ])('before %s starts from %s', (activation, initializer) => {
    const { graph } = build({ activation: { kind: activation } });
    expect(graph.parameters[0]?.initializer).toEqual({ kind: initializer });
  });

  it('takes the initialisers it is given', () => {
    const { graph } = build({
      weights: { kind: 'zeros' },
      bias: { kind: 'heNormal' },
      activation: { kind: 'relu' },
    });
    expect(graph.parameters.map((p) => p.initializer.kind)).toEqual(['zeros', 'heNormal']);
  });

  it('ends with its activation', () => {
    const ops = (spec: object): string[] => build(spec).graph.nodes.map((node) => node.op);
    expect(ops({})).toEqual(['data', 'affine']);
    const { graph, out } = build({ activation: { kind: 'sigmoid' } });
    const last = graph.node(out);
    expect(last.op === 'map' && last.derivativeFromOutput).not.toBeNull();
    expect(dense.activation(parse({ activation: { kind: 'sigmoid' } }))).toEqual({ kind: 'sigmoid' });
  });

  it.each([0, -1, 1.5, 2 ** 31, '4', null, Number.NaN])('refuses %j units', (units) => {
    expect(dense.schema.safeParse({ kind: 'dense', units }).success).toBe(false);
  });

  it('accepts the most units there can be, which the limits then judge', () => {
    expect(parse({ units: 2 ** 31 - 1 })).toMatchObject({ units: 2 ** 31 - 1 });
  });
});
