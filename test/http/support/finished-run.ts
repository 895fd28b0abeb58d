// A run that has really been trained, here and in a moment, so that its outputs are real.
import { createHash } from 'node:crypto';
import { parseCsv } from '../../../src/datasets/csv.ts';
import { createInterpreter } from '../../../src/engine/codegen/interpreter.ts';
import { engineSpec } from '../../../src/engine/spec.ts';
import { createTraining } from '../../../src/engine/train.ts';
import { chainOf } from '../../../src/runs/chain.ts';
import { claimRun } from '../../../src/runs/lease-store.ts';
import { commitEpochs, finishRun } from '../../../src/runs/progress-store.ts';
import { claimant } from '../../flow/support/lifecycle.ts';
import { manyFlowers, submitted, type TestService } from './service.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

export interface FinishedRun {
  readonly id: string;
  readonly model: Uint8Array;
  readonly state: Uint8Array;
}

/** Trains a fresh run of `manyFlowers` to its end and stores everything as a worker would. */
export async function trainedRun(service: TestService, more: object = {}): Promise<FinishedRun> {
  const { sql: db } = service;
  const id = await submitted(service, more);
  const claimed = await claimRun(db, id, claimant('test', 60));
  if (claimed === null) throw new Error('the run could not be claimed');
  const table = await parseCsv(new TextEncoder().encode(manyFlowers()));
  const training = createTraining({
    spec: engineSpec.parse(claimed.spec),
    table,
    backend: createInterpreter,
  });
  let { chainSha256 } = claimed;
  const control = { shouldStop: () => false, onSteps: () => undefined };
  try {
    while (training.stopReason === null) {
      const report = training.runEpoch(control);
      if (report === null) throw new Error('the epoch was abandoned');
      const { epoch, metrics, diverged } = report;
      const common = { durationMs: 1, bestEpoch: training.bestEpoch, etaSeconds: 0 };
      const weightsSha256 = sha256(training.parameterBytes());
      chainSha256 = chainOf(chainSha256, epoch, weightsSha256);
      const row = { epoch, metrics, diverged, weightsSha256, chainSha256, ...common };
      const bytes = new Uint8Array(training.checkpoint());
      const checkpoint = { epoch, stepsWithin: 0, withinMs: 0, bytes };
      await commitEpochs(db, claimed.hold, { epochs: [row], checkpoint });
    }
    const model = new Uint8Array(training.model());
    const state = new Uint8Array(training.checkpoint());
    await finishRun(db, claimed.hold, {
      action: 'succeed',
      stopReason: 'completed',
      results: training.results(),
      weightsSha256: sha256(training.parameterBytes()),
      model: { epoch: training.epoch, stepsWithin: 0, withinMs: 0, sha256: sha256(model), bytes: model },
    });
    return { id, model, state };
  } finally {
    training.dispose();
  }
}
