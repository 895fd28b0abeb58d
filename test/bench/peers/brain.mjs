/**
 * brain.js on the jobs that are plain perceptrons to it. It trains one row at a time, with momentum and a mean
 * squared error whatever the job says; a step here is as many rows as the job's batch has.
 * Argument: the folder of the packages.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ROWS, randomFloats, readJobs, shuffled } from './jobs.mjs';

const ROWS_PER_CALL = 1000;

export async function createTrainee([folder]) {
  const require = createRequire(join(folder, 'package.json'));
  const brain = require('brain.js');
  const jobs = readJobs();
  const notes = ['one row at a time, mean squared error, no batch norm and no dropout on D'];
  return {
    version: versionOf(dirname(require.resolve('brain.js'))),
    notes,
    modes: (job) => (jobs[job].convolutions.length === 0 ? ['train'] : []),
    prepare: async (job) => prepare(brain, jobs[job]),
  };
}

function versionOf(folder) {
  try {
    const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    if (name === 'brain.js') return version;
  } catch {
    // Not in this folder: the package's root is further up.
  }
  return versionOf(dirname(folder));
}

function prepare(brain, job) {
  const features = job.shape[0];
  const net = new brain.NeuralNetwork({
    inputSize: features,
    hiddenLayers: job.dense,
    outputSize: job.outputs,
    activation: job.activation,
    learningRate: job.learningRate,
  });
  const data = Array.from({ length: ROWS }, () => ({
    input: randomFloats(features, Math.random),
    output: randomFloats(job.outputs, Math.random),
  }));
  // Long calls where rows are quick: each call checks the network and the data anew.
  const rowsPerCall = features * (job.dense[0] ?? 1) > 1000 ? job.batchSize : ROWS_PER_CALL;
  const options = { iterations: 1, errorThresh: 1e-9, log: false };
  return (deadline) => {
    const order = shuffled(ROWS);
    for (let at = 0; at < ROWS; at += rowsPerCall) {
      const rows = Array.from(order.subarray(at, at + rowsPerCall), (i) => data[i]);
      net.train(rows, options);
      if (performance.now() > deadline) return Math.ceil((at + rows.length) / job.batchSize);
    }
    return Math.ceil(ROWS / job.batchSize);
  };
}
