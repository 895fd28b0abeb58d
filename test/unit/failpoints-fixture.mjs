// A thread that joins its starter's failpoints and takes steps until one of them acts.
import { parentPort, workerData } from 'node:worker_threads';

const { failpoint, joinFailpoints } = await import(workerData.module);
joinFailpoints(workerData.failpoints);
for (let i = 0; i < workerData.steps; i++) failpoint('thread.step');
parentPort.postMessage('passed');
