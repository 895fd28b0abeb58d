import { describe, expect, it } from 'vitest';
import { createInterpreter } from '../../../src/engine/codegen/interpreter.ts';
import type { Executor, Plan } from '../../../src/engine/kernels.ts';
import { optimizers } from '../../../src/engine/kinds/optimizers/registry.ts';
import type { PlanSpec } from '../../../src/engine/plan.ts';
import { createPlan } from '../../../src/engine/plan.ts';
import { stream } from '../../../src/engine/random.ts';

interface Layer {
  readonly units: number;
  readonly activation?: string;
}

function specOf(layers: readonly Layer[], changes: Partial<PlanSpec> = {}): PlanSpec {
  return {
    model: {
      layers: layers.map(({ units, activation = 'linear' }) => ({
        kind: 'dense',
        units,
        activation: { kind: activation },
        weights: { kind: 'xavierUniform' },
        bias: { kind: 'zeros' },
      })),
    },
    loss: { kind: 'crossEntropy' },
    optimizer: { kind: 'sgd', learningRate: 0.1 },
    training: { batchSize: 5 },
    metrics: [],
    ...changes,
  };
}

const values = (count: number, name: string): Float32Array => {
  const random = stream(1, name);
  return Float32Array.from({ length: count }, () => random.normal() / 2);
};

const shapeOf = (plan: Plan, id: number): number => {
  const b = plan.buffers[id];
  return b === undefined ? 0 : b.capacityRows * (typeof b.columns === 'number' ? b.columns : plan.batchSize);
};

function initialize(plan: Plan, executor: Executor): void {
  for (const p of plan.parameters) executor.write(p.buffer, values(shapeOf(plan, p.buffer), p.name));
}

const oneHot = (rows: number, classes: number): Float32Array =>
  Float32Array.from({ length: rows * classes }, (_, i) =>
    Number(Math.floor(i / classes) % classes === i % classes),
  );

describe('createPlan', () => {
  it('counts parameters, operations and bytes exactly', () => {
    const plan = createPlan(specOf([{ units: 17, activation: 'relu' }, { units: 3 }]), {
      features: 4,
      targets: 3,
    });
    expect(plan.parameterCount).toBe(4 * 17 + 17 + 17 * 3 + 3);
    expect(plan.programs.predict.flops).toBe(2 * 5 * (4 * 17 + 17 * 3));
    // Training adds the gradient of both weights and of the hidden layer, not of the data.
    expect(plan.programs.train.flops).toBe(2 * 5 * (2 * 4 * 17 + 3 * 17 * 3));
    expect(plan.parameters.map((p) => [p.name, p.shape])).toEqual([
      ['layers.0.weight', [17, 4]],
      ['layers.0.bias', [17]],
      ['layers.1.weight', [3, 17]],
      ['layers.1.bias', [3]],
    ]);
    const bytes = plan.buffers.reduce((sum, b) => sum + b.byteLength, 0);
    expect(plan.arenaBytes).toBe(bytes);
  });

  it('places every buffer once, aligned, without overlap, parameters first and slots next', () => {
    const spec = specOf([{ units: 33, activation: 'tanh' }, { units: 3 }], {
      optimizer: {
        kind: 'adam',
        learningRate: 0.01,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
      } as PlanSpec['optimizer'],
    });
    const plan = createPlan(spec, { features: 4, targets: 3 }, { panel: 32 });
    const placed = [...plan.buffers].sort((a, b) => a.offset - b.offset);
    let end = 0;
    for (const b of placed) {
      expect(b.offset % 64).toBe(0);
      expect(b.offset).toBe(end);
      end += b.byteLength;
    }
    const slots = plan.parameters.flatMap((p) => Object.values(p.slots));
    expect(slots).toHaveLength(8);
    const parameters = plan.parameters.map((p) => p.buffer);
    expect(
      placed
        .slice(0, 12)
        .map((b) => b.id)
        .sort(),
    ).toEqual([...parameters, ...slots].sort());
    expect(placed.slice(0, 4).map((b) => b.id)).toEqual(parameters);
  });

  it('is frozen to the leaves', () => {
    const plan = createPlan(specOf([{ units: 3 }]), { features: 2, targets: 3 });
    const seen = new Set<unknown>();
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null || seen.has(value)) return;
      seen.add(value);
      expect(Object.isFrozen(value)).toBe(true);
      Object.values(value).forEach(visit);
    };
    visit(plan);
    expect(seen.size).toBeGreaterThan(100);
  });

  it('fuses an elementwise activation into the product, and keeps the loss’s link out of the network', () => {
    const plan = createPlan(
      specOf([
        { units: 8, activation: 'relu' },
        { units: 3, activation: 'softmax' },
      ]),
      {
        features: 4,
        targets: 3,
      },
    );
    const kinds = plan.programs.predict.kernels.map((k) => k.kind);
    expect(kinds.slice(0, 3)).toEqual(['gather', 'gemm', 'gemm']);
    expect(plan.buffers[plan.prediction]?.name).toBe('prediction');
  });

  it('refuses a panel that is no multiple of 16', () => {
    expect(() => createPlan(specOf([{ units: 3 }]), { features: 2, targets: 3 }, { panel: 8 })).toThrow(
      RangeError,
    );
  });
});

const networks: readonly { name: string; layers: readonly Layer[]; loss: string; targets: number }[] = [
  { name: 'softmax regression', layers: [{ units: 3 }], loss: 'crossEntropy', targets: 3 },
  {
    name: 'a deep tanh and sigmoid net',
    layers: [
      { units: 7, activation: 'tanh' },
      { units: 17, activation: 'sigmoid' },
      { units: 3, activation: 'softmax' },
    ],
    loss: 'crossEntropy',
    targets: 3,
  },
  {
    name: 'softmax as a hidden activation',
    layers: [
      { units: 5, activation: 'softmax' },
      { units: 2, activation: 'tanh' },
    ],
    loss: 'meanSquaredError',
    targets: 2,
  },
  {
    name: 'binary classification',
    layers: [
      { units: 4, activation: 'tanh' },
      { units: 1, activation: 'sigmoid' },
    ],
    loss: 'binaryCrossEntropy',
    targets: 1,
  },
];

describe('the gradient of the mean loss', () => {
  const features = 4;
  const rows = 5;
  it.each(networks)('agrees with finite differences: $name', ({ layers, loss, targets }) => {
    const plan = createPlan(specOf(layers, { loss: { kind: loss } }), { features, targets });
    const data = { rows, features: values(rows * features, 'x'), targets: oneHot(rows, targets) };
    const executor = createInterpreter(plan, data, 1);
    const batch = { indices: Int32Array.of(0, 1, 2, 3, 4), rows: Int32Array.of(rows) };
    const lossAt = (): number => {
      const [sum = Number.NaN] = executor.run('evaluate', { ...batch, inputs: new Float32Array(0) });
      return sum / rows;
    };
    initialize(plan, executor);
    // Plain descent with rate 1 subtracts the gradient itself.
    const before = plan.parameters.map((p) => executor.read(p.buffer));
    executor.run('train', { ...batch, inputs: Float32Array.of(1 / rows, 1) });
    const gradients = plan.parameters.map((p, i) => {
      const after = executor.read(p.buffer);
      return Float64Array.from(after, (v, k) => (before[i]?.[k] ?? 0) - v);
    });
    const h = 2 ** -7;
    for (const [i, p] of plan.parameters.entries()) {
      for (const [q, other] of plan.parameters.entries())
        executor.write(other.buffer, before[q] ?? new Float32Array());
      const base = before[i] ?? new Float32Array();
      for (const k of base.keys()) {
        const slope = [h, -h].map((step) => {
          executor.write(
            p.buffer,
            base.map((v, at) => (at === k ? v + step : v)),
          );
          return lossAt();
        });
        executor.write(p.buffer, base);
        const numeric = ((slope[0] ?? 0) - (slope[1] ?? 0)) / (2 * h);
        expect(Math.abs(numeric - (gradients[i]?.[k] ?? Number.NaN))).toBeLessThan(2e-4);
      }
    }
  });

  it('weighs a smaller last batch by its own rows', () => {
    const plan = createPlan(specOf([{ units: 3 }]), { features, targets: 3 });
    const data = { rows, features: values(rows * features, 'x'), targets: oneHot(rows, 3) };
    const after = [2, 1].map((copies) => {
      const executor = createInterpreter(plan, data, 1);
      initialize(plan, executor);
      // The same two rows, once or twice: the mean loss, hence the step, is the same.
      const indices = copies === 2 ? [0, 1, 0, 1] : [0, 1];
      executor.run('train', {
        indices: Int32Array.from(indices),
        rows: Int32Array.of(indices.length),
        inputs: Float32Array.of(1 / indices.length, 0.5),
      });
      return [...executor.read(plan.parameters[0]?.buffer ?? -1)];
    });
    for (const [k, v] of (after[0] ?? []).entries()) expect(v).toBeCloseTo(after[1]?.[k] ?? Number.NaN, 6);
  });
});

describe('training', () => {
  it('learns XOR with one hidden layer', () => {
    const spec = specOf([{ units: 8, activation: 'tanh' }, { units: 1 }], {
      loss: { kind: 'binaryCrossEntropy' },
      training: { batchSize: 4 },
      optimizer: {
        kind: 'adam',
        learningRate: 0.05,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
      } as PlanSpec['optimizer'],
      metrics: ['accuracy'],
    });
    const plan = createPlan(spec, { features: 2, targets: 1 });
    const data = {
      rows: 4,
      features: Float32Array.of(0, 0, 0, 1, 1, 0, 1, 1),
      targets: Float32Array.of(0, 1, 1, 0),
    };
    const steps = 300;
    const executor = createInterpreter(plan, data, steps);
    initialize(plan, executor);
    const scalarCount = plan.programs.train.inputs.length;
    const inputs = new Float32Array(steps * scalarCount).fill(0.25);
    for (let s = 0; s < steps; s++) {
      inputs.set(optimizers.get('adam').scalars(spec.optimizer, s + 1, 0.05), s * scalarCount + 1);
    }
    const indices = Int32Array.from({ length: steps * 4 }, (_, i) => i % 4);
    const scores = executor.run('train', { indices, rows: new Int32Array(steps).fill(4), inputs });
    expect(scores.at(-2)).toBeLessThan(0.2);
    expect(scores.at(-1)).toBe(4);
    expect(scores[0]).toBeGreaterThan(2);
  });
});
