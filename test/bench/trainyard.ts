/** Our own engine on the jobs: epochs of the engine itself over resident tables. Arguments: back end, threads. */
import { z } from 'zod';
import { createEpochTrainer, type EpochSetting, freshState } from '../../src/engine/epoch.ts';
import type { Executor } from '../../src/engine/kernels.ts';
import { defaultLimits } from '../../src/engine/limits.ts';
import { watchOf } from '../../src/engine/monitor.ts';
import { withoutMemory, writeState } from '../../src/engine/parameters.ts';
import { createPlan } from '../../src/engine/plan.ts';
import type { PreparedData } from '../../src/engine/prepare.ts';
import type { ResolvedSpec } from '../../src/engine/resolve.ts';
import { type EngineSpecInput, engineSpec } from '../../src/engine/spec.ts';
import { stepCount, stepsMaxOf } from '../../src/engine/steps.ts';
import { packageVersion } from '../../src/package-root.ts';
import { createCrew } from '../../workers/crew.ts';
import { executorsOf, nativeBackend } from '../../workers/engine-backend.ts';
import { featuresOf, type Job, ROWS, readJobs } from './jobs.ts';
import type { Epoch, Trainee } from './trainee.ts';

const SEED = 1;

export async function createTrainee(args: readonly string[]): Promise<Trainee> {
  const [backend, threads] = z
    .tuple([z.enum(['native', 'wasm']), z.coerce.number().int().positive()])
    .parse(args);
  const createExecutor = executorsOf(backend);
  const crew = threads > 1 ? createCrew(threads) : undefined;
  const jobs = readJobs();
  let current: Executor | null = null;
  return {
    version: packageVersion(),
    notes: backend === 'native' ? [nativeBackend().isa] : [],
    modes: () => ['run'],
    prepare: async (name) => {
      const job = jobs[name];
      // The crew serves one executor at a time.
      current?.dispose();
      current = null;
      const spec = specOf(job);
      const data = syntheticData(job);
      const plan = createPlan(spec, { features: data.featureCount, targets: data.targetCount });
      current = createExecutor(plan, data, stepsMaxOf(plan, data.rows), crew);
      return epochsOf({ spec, data, plan, executor: current });
    },
  };
}

type Layer = EngineSpecInput['model']['layers'][number];

function layersOf({ shape, convolutions, dense, ...job }: Job): Layer[] {
  const activation = { kind: job.activation };
  const layers: Layer[] = [];
  if (convolutions.length > 0) {
    const [height = 1, width = 1, channels = 1] = shape;
    layers.push({ kind: 'reshape', height, width, channels });
    for (const filters of convolutions) {
      layers.push({ kind: 'conv2d', channels: filters, kernel: 3, activation });
      layers.push({ kind: 'maxPool2d', kernel: 2 });
    }
    layers.push({ kind: 'flatten' });
  }
  for (const units of dense) {
    if (job.batchNorm) {
      layers.push({ kind: 'dense', units }, { kind: 'batchNorm' }, { kind: 'activation', activation });
    } else {
      layers.push({ kind: 'dense', units, activation });
    }
    if (job.dropout > 0) layers.push({ kind: 'dropout', probability: job.dropout });
  }
  layers.push({ kind: 'dense', units: job.outputs, activation: { kind: job.outputActivation } });
  return layers;
}

export function specOf(job: Job): ResolvedSpec {
  const loss = { kind: job.loss };
  const spec = engineSpec.parse({
    seed: SEED,
    data: { dataset: 'synthetic', target: 'target' },
    model: { layers: layersOf(job) },
    loss,
    optimizer: { kind: job.optimizer, learningRate: job.learningRate },
    training: { epochs: defaultLimits.epochsMax, batchSize: job.batchSize, lastBatch: 'drop' },
    metrics: [],
  } satisfies EngineSpecInput);
  return { ...spec, loss, metrics: [] };
}

/** Numbers in [0, 1) that look random enough for rows: Numerical Recipes' linear congruential generator. */
function uniformDraws(): () => number {
  let state = SEED;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Uniform features; uniform values in [−1, 1) or one class in so many as targets. */
function syntheticData(job: Job): PreparedData {
  const draw = uniformDraws();
  const featureCount = featuresOf(job);
  const features = new Float32Array(ROWS * featureCount);
  for (let i = 0; i < features.length; i++) features[i] = draw();
  const targets = new Float32Array(ROWS * job.outputs);
  for (let row = 0; row < ROWS; row++) {
    if (job.loss === 'meanSquaredError') targets[row] = draw() * 2 - 1;
    else targets[row * job.outputs + Math.floor(draw() * job.outputs)] = 1;
  }
  const type = job.loss === 'meanSquaredError' ? 'numeric' : 'categorical';
  const shape = { featureCount, targetCount: job.outputs };
  return {
    rows: ROWS,
    features,
    targets,
    ...shape,
    parts: {
      training: Int32Array.from({ length: ROWS }, (_, row) => row),
      validation: new Int32Array(),
      test: new Int32Array(),
    },
    preprocessing: { features: [], target: { name: 'target', type, classes: [] }, ...shape },
  };
}

function epochsOf(made: Pick<EpochSetting, 'spec' | 'data' | 'plan' | 'executor'>): Epoch {
  const { spec, plan, executor } = made;
  const stepsPerEpoch = stepCount(ROWS, plan.batchSize, true);
  const setting: EpochSetting = { ...made, watch: watchOf(spec, false), stepsPerEpoch };
  const trainEpoch = createEpochTrainer(setting);
  let state = freshState(setting);
  writeState(executor, plan, withoutMemory(plan, state.values));
  return (deadline) => {
    let steps = 0;
    const outcome = trainEpoch(state, {
      // Asked before the first step as well, which is always taken.
      shouldStop: () => steps > 0 && performance.now() > deadline,
      onSteps: (count) => {
        steps += count;
      },
    });
    if ('metrics' in outcome && !Number.isFinite(outcome.metrics.loss))
      throw new Error('the training diverged');
    state = { ...state, epoch: state.epoch + 1, step: state.step + stepsPerEpoch };
    return steps;
  };
}
