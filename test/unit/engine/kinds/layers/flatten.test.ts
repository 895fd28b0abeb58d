import { describe, expect, it } from 'vitest';
import type { createGraph } from '../../../../../src/engine/graph.ts';
import { layers } from '../../../../../src/engine/kinds/layers/registry.ts';
import { allBackends } from '../../codegen/candidates.ts';
import { compileGraph, evaluationOf } from '../../compiled-graph.ts';
import { golden, samplesOf, shapeOf } from './golden.ts';
import { layerUnderTest } from './one-layer.ts';

const { flatten } = golden.tables;

describe.each(Object.entries(allBackends))(`flatten against ${golden.source} on %s`, (_, backend) => {
  it.each(flatten.map((c) => [c.input.shape.join(' × '), c] as const))('%s', (_name, { input, output }) => {
    const rows = samplesOf(input);
    const layer = layerUnderTest(backend, {
      spec: { kind: 'flatten' },
      inputs: [shapeOf(input)],
      batchSize: rows,
    });
    layer.write({ input: input.values });
    const found = layer.train({ rows, gradient: output.values });
    expect([...found.output]).toEqual(output.values);
    expect([...(found.gradients.input ?? [])]).toEqual(output.values);
    layer.dispose();
  });

  it('is undone by reshape', () => {
    const build = (specs: readonly object[]) => (graph: ReturnType<typeof createGraph>) =>
      specs
        .map((spec) => layers.schema.parse(spec))
        .reduce<ReturnType<typeof graph.flatten>>(
          (x, spec, i) => layers.get(spec.kind).build(graph, [x], spec, `layers.${i}`),
          graph.data,
        );
    const reshape = { kind: 'reshape', height: 2, width: 5, channels: 17 };
    const compiled = compileGraph({
      batchSize: 3,
      features: 170,
      build: build([reshape, { kind: 'flatten' }]),
    });
    const features = Float32Array.from({ length: 510 }, (_, i) => i);
    const executor = backend(compiled.plan, { rows: 3, features, targets: new Float32Array(3) }, 1);
    executor.run('evaluate', evaluationOf(3));
    expect(executor.read(compiled.inference)).toEqual(features);
    executor.dispose();
  });
});
