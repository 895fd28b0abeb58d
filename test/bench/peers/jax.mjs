/** jax-js on its WebAssembly back end. Argument: the folder of the packages. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ROWS, randomFloats, readJobs, shuffled } from './jobs.mjs';

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;
const BATCH_NORM_EPSILON = 1e-5;
/** Steps that may be under way at once in the mode that does not wait for each. */
const AHEAD = 16;

export async function createTrainee([folder]) {
  const require = createRequire(join(folder, 'package.json'));
  const entry = require.resolve('@jax-js/jax');
  const jax = require(entry);
  await jax.init('wasm');
  jax.defaultDevice('wasm');
  const jobs = readJobs();
  return {
    version: JSON.parse(readFileSync(join(dirname(entry), '..', 'package.json'), 'utf8')).version,
    notes: [],
    modes: (job) => (jobs[job].convolutions.length === 0 ? ['wait', `${AHEAD} ahead`] : []),
    prepare: async (job, mode) => prepare(jax, jobs[job], mode === 'wait' ? 1 : AHEAD),
  };
}

/** Arrays are consumed by what reads them; `.ref` keeps one for another reader. */
function lossOf({ numpy: np, nn }, job) {
  const activations = { relu: nn.relu, tanh: np.tanh, linear: (z) => z };
  return (parameters, x, t, masks) => {
    const next = parameters.values();
    const take = () => next.next().value;
    const dense = (h) => {
      const weight = take();
      return np.matmul(h, weight).add(take());
    };
    let h = x;
    for (const i of job.dense.keys()) {
      h = dense(h);
      if (job.batchNorm) {
        const centred = h.sub(h.ref.mean(0));
        const deviation = np.sqrt(np.square(centred.ref).mean(0).add(BATCH_NORM_EPSILON));
        const scale = take();
        h = centred.div(deviation).mul(scale).add(take());
      }
      h = activations[job.activation](h);
      if (job.dropout > 0) h = h.mul(masks[i]);
    }
    const z = activations[job.outputActivation](dense(h));
    if (job.loss === 'meanSquaredError') return np.square(z.sub(t)).mean();
    return nn.logSoftmax(z).mul(t).sum(-1).mean().neg();
  };
}

function initialParameters({ numpy: np }, job) {
  const parameters = [];
  let inputs = job.shape[0];
  for (const [i, units] of [...job.dense, job.outputs].entries()) {
    const scale = Math.sqrt(2 / inputs);
    const weights = randomFloats(inputs * units, () => (Math.random() * 2 - 1) * scale);
    parameters.push(np.array(weights).reshape([inputs, units]), np.array(new Float32Array(units)));
    if (job.batchNorm && i < job.dense.length) {
      parameters.push(np.array(new Float32Array(units).fill(1)), np.array(new Float32Array(units)));
    }
    inputs = units;
  }
  return parameters;
}

/** `step(x, t, masks)` trains one batch; `settle()` waits until all steps are done. */
function createStepper(jax, job) {
  const { numpy: np, jit, valueAndGrad, blockUntilReady } = jax;
  const gradient = valueAndGrad(lossOf(jax, job));
  const rate = job.learningRate;
  const sgd = jit((parameters, x, t) => {
    const [loss, slopes] = gradient(
      parameters.map((p) => p.ref),
      x,
      t,
      [],
    );
    return [loss, parameters.map((p, i) => p.sub(slopes[i].mul(rate)))];
  });
  const adam = jit((parameters, means, squares, x, t, masks, correction1, correction2) => {
    const [loss, slopes] = gradient(
      parameters.map((p) => p.ref),
      x,
      t,
      masks,
    );
    const nextMeans = means.map((m, i) => m.mul(BETA1).add(slopes[i].ref.mul(1 - BETA1)));
    const nextSquares = squares.map((v, i) => v.mul(BETA2).add(np.square(slopes[i]).mul(1 - BETA2)));
    const nextParameters = parameters.map((p, i) => {
      const mean = nextMeans[i].ref.mul(correction1.ref);
      const deviation = np.sqrt(nextSquares[i].ref.mul(correction2.ref)).add(EPSILON);
      return p.sub(mean.div(deviation).mul(rate));
    });
    correction1.dispose();
    correction2.dispose();
    return [loss, nextParameters, nextMeans, nextSquares];
  });
  let parameters = initialParameters(jax, job);
  let means = parameters.map((p) => np.zeros(p.shape));
  let squares = parameters.map((p) => np.zeros(p.shape));
  let count = 0;
  return {
    step(x, t, masks) {
      count++;
      let loss;
      if (job.optimizer === 'sgd') {
        [loss, parameters] = sgd(parameters, x, t);
      } else {
        const corrections = [BETA1, BETA2].map((beta) => np.array([1 / (1 - beta ** count)]));
        [loss, parameters, means, squares] = adam(parameters, means, squares, x, t, masks, ...corrections);
      }
      loss.dispose();
    },
    async settle() {
      for (const p of await blockUntilReady(parameters.map((each) => each.ref))) p.dispose();
    },
  };
}

function prepare(jax, job, ahead) {
  const { numpy: np } = jax;
  const { batchSize, outputs } = job;
  const features = job.shape[0];
  const inputs = randomFloats(ROWS * features, Math.random);
  const targets = new Float32Array(ROWS * outputs);
  for (let row = 0; row < ROWS; row++) {
    if (job.loss === 'meanSquaredError') targets[row] = Math.random() * 2 - 1;
    else targets[row * outputs + Math.floor(Math.random() * outputs)] = 1;
  }
  const gather = (table, width, rows) => {
    const out = new Float32Array(rows.length * width);
    for (const [i, row] of rows.entries()) out.set(table.subarray(row * width, (row + 1) * width), i * width);
    return np.array(out).reshape([rows.length, width]);
  };
  const keep = 1 / (1 - job.dropout);
  const draw = () => (Math.random() < job.dropout ? 0 : keep);
  const maskOf = (units) => np.array(randomFloats(batchSize * units, draw)).reshape([batchSize, units]);
  const stepper = createStepper(jax, job);
  const steps = Math.floor(ROWS / batchSize);
  return async (deadline) => {
    const order = shuffled(ROWS);
    let done = 0;
    while (done < steps) {
      const rows = order.subarray(done * batchSize, (done + 1) * batchSize);
      const masks = job.dropout > 0 ? job.dense.map(maskOf) : [];
      stepper.step(gather(inputs, features, rows), gather(targets, outputs, rows), masks);
      done++;
      if (done % ahead === 0) await stepper.settle();
      if (performance.now() > deadline) break;
    }
    await stepper.settle();
    return done;
  };
}
