/** TensorFlow.js on the benchmark's jobs. Arguments: the folder of the packages, then `wasm` or `cpu`. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ROWS, readJobs, shuffled } from './jobs.mjs';

export async function createTrainee([folder, backend]) {
  const require = createRequire(join(folder, 'package.json'));
  const tf = require('@tensorflow/tfjs');
  if (backend === 'wasm') {
    const name = '@tensorflow/tfjs-backend-wasm';
    require(name).setWasmPaths(`${dirname(require.resolve(name))}/`);
  }
  await tf.setBackend(backend);
  await tf.ready();
  const jobs = readJobs();
  return {
    version: tf.version.tfjs,
    notes: [],
    // The first is the usual way; the second reads no loss back.
    modes: () => ['trainOnBatch', 'minimize'],
    prepare: (job, mode) => prepare(tf, jobs[job], mode),
  };
}

function networkOf(tf, job) {
  const net = tf.sequential();
  let first = { inputShape: job.shape };
  const add = (kind, options) => {
    net.add(tf.layers[kind]({ ...options, ...first }));
    first = {};
  };
  for (const filters of job.convolutions) {
    add('conv2d', { filters, kernelSize: 3, activation: job.activation });
    add('maxPooling2d', { poolSize: 2 });
  }
  if (job.convolutions.length > 0) add('flatten', {});
  for (const units of job.dense) {
    if (!job.batchNorm) {
      add('dense', { units, activation: job.activation });
      continue;
    }
    add('dense', { units });
    add('batchNormalization', {});
    add('activation', { activation: job.activation });
    add('dropout', { rate: job.dropout });
  }
  const classifier = job.loss === 'crossEntropy';
  add('dense', { units: job.outputs, activation: classifier ? 'softmax' : job.outputActivation });
  return net;
}

async function prepare(tf, job, mode) {
  const { batchSize, outputs } = job;
  const classifier = job.loss === 'crossEntropy';
  const net = networkOf(tf, job);
  const optimizer = tf.train[job.optimizer](job.learningRate);
  net.compile({ optimizer, loss: classifier ? 'categoricalCrossentropy' : 'meanSquaredError' });
  const inputs = tf.randomUniform([ROWS, ...job.shape]);
  const targets = classifier
    ? tf.oneHot(tf.randomUniform([ROWS], 0, outputs, 'int32'), outputs).toFloat()
    : tf.randomUniform([ROWS, outputs], -1, 1);
  const batch = (index) => [tf.gather(inputs, index), tf.gather(targets, index)];
  const lossOf = (y, t) =>
    classifier ? tf.metrics.categoricalCrossentropy(t, y).mean() : tf.losses.meanSquaredError(t, y);
  const steps = {
    trainOnBatch: async (index) => {
      const [x, t] = batch(index);
      await net.trainOnBatch(x, t);
      tf.dispose([x, t]);
    },
    minimize: (index) =>
      tf.tidy(() => {
        const [x, t] = batch(index);
        optimizer.minimize(() => lossOf(net.apply(x, { training: true }), t));
      }),
  };
  const step = steps[mode];
  const count = Math.floor(ROWS / batchSize);
  return async (deadline) => {
    const order = shuffled(ROWS);
    for (let i = 0; i < count; i++) {
      const index = tf.tensor1d(order.subarray(i * batchSize, (i + 1) * batchSize), 'int32');
      await step(index);
      index.dispose();
      if (performance.now() > deadline) return i + 1;
    }
    return count;
  };
}
