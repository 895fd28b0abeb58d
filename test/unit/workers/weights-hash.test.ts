// The hash that another thread takes while values are read is the one of the values.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backends } from '../../../src/engine/codegen/backends.ts';
import type { EngineSpec } from '../../../src/engine/spec.ts';
import { createTraining } from '../../../src/engine/train.ts';
import { sha256Hex } from '../../../src/idempotency/sha256.ts';
import { type CrewHash, createCrew, type OwnedCrew } from '../../../workers/crew.ts';
import { createWeightsHash } from '../../../workers/weights-hash.ts';
import { type CompiledEntry, compileEntry } from '../../support/compile-entry.ts';
import { exampleTable, specOf } from '../engine/example-table.ts';

let crew: OwnedCrew;
let entry: CompiledEntry;
beforeAll(() => {
  entry = compileEntry('workers/crew-thread.ts');
  crew = createCrew(2, { entry: entry.url });
}, 60_000);
afterAll(async () => {
  await crew.close();
  entry.remove();
});

const digits = exampleTable('digits');
const go = { shouldStop: () => false, onSteps: () => undefined };

/** Trains to the end; says how each epoch's hash was taken. */
function train(spec: EngineSpec): { taken: string[]; stopReason: string | null } {
  const taken: string[] = [];
  let ends = 0;
  const spied: CrewHash = {
    ...crew.hash,
    finish: () => {
      ends++;
      return crew.hash.finish();
    },
  };
  const weights = createWeightsHash(() => spied);
  const at = { spec, table: digits, backend: backends.wasm, crewFor: () => crew, follower: weights };
  const training = createTraining(at);
  while (training.stopReason === null) {
    training.runEpoch(go);
    const before = ends;
    expect(weights.of(training.parameterValues())).toBe(sha256Hex(training.parameterBytes()));
    taken.push(ends > before ? 'while they were read' : 'afterwards');
    // Nobody asks for it twice, but who does gets the same.
    expect(weights.of(training.parameterValues())).toBe(sha256Hex(training.parameterBytes()));
  }
  training.dispose();
  return { taken, stopReason: training.stopReason };
}

/** Of 66 parameters a unit, and one. */
const specFor = (units: number, parts: Partial<Parameters<typeof specOf>[1]> = {}): EngineSpec =>
  specOf(1, {
    model: {
      layers: [
        { kind: 'dense', units, activation: { kind: 'relu' } },
        { kind: 'dense', units: 1 },
      ],
    },
    data: { target: 'digit' },
    training: { epochs: 3 },
    ...parts,
  });

describe('the hash of the weights', () => {
  it('is taken by another thread while they are read', () => {
    expect(train(specFor(600)).taken).toEqual(Array(3).fill('while they were read'));
  });

  it('is taken in place where there are few', () => {
    expect(train(specFor(8)).taken).toEqual(Array(3).fill('afterwards'));
  });

  it('is that of the best epoch after the last one', () => {
    const earlyStopping = { monitor: 'loss', mode: 'max' as const, patience: 9, restoreBest: true };
    const { taken } = train(specFor(600, { training: { epochs: 3, earlyStopping } }));
    expect(taken).toEqual(['while they were read', 'while they were read', 'afterwards']);
  });

  it('is that of the last finite weights after an epoch that diverged', () => {
    const optimizer = { kind: 'sgd' as const, learningRate: 1e30 };
    const { taken, stopReason } = train(specFor(600, { optimizer }));
    expect(stopReason).toBe('diverged');
    expect(taken).toEqual(['afterwards']);
  });
});
