// Checkpoints as files: found without their bytes, then read in pieces, so that a download costs little memory
// however large the model is.
import { Readable } from 'node:stream';
import type { Database } from '../db/client.ts';
import { problem } from '../errors.ts';
import {
  type CheckpointChoice,
  type CheckpointInfo,
  findCheckpoint,
  getRunProgress,
  readCheckpoint,
} from './store.ts';

const pieceBytes = 4 * 1024 * 1024;

export interface WeightsFile extends CheckpointInfo {
  readonly fileName: string;
  /** Equal for equal bytes alone: a model’s SHA-256; of a state, which has none, its place in the run and its CRC-32. */
  readonly etag: string;
}

/** Throws 404 where there is nothing and will be nothing, 409 where it may still come. */
export async function findWeights(
  db: Database,
  projectId: string,
  runId: string,
  choice: CheckpointChoice,
): Promise<WeightsFile> {
  const run = await getRunProgress(db, projectId, runId);
  const found = await findCheckpoint(db, runId, choice);
  if (found === null) throw missing(run, choice);
  const which = typeof choice === 'number' ? `epoch-${choice}` : choice;
  const { sha256, crc32, epoch, stepsWithin } = found;
  const etag = sha256 ?? `${epoch}-${stepsWithin}-${crc32}`;
  return { ...found, etag, fileName: `${slug(run.name)}-${runId.slice(-8)}-${which}.safetensors` };
}

function missing({ status, ended }: { status: string; ended: boolean }, choice: CheckpointChoice) {
  if (typeof choice === 'number') {
    const hint = 'training.checkpoints.keepEvery in the spec says which epochs are kept';
    return problem('not-found', `The run has no checkpoint of epoch ${choice}; ${hint}.`);
  }
  if (ended) return problem('not-found', `The run has ${status} without a ${choice} checkpoint.`);
  const when = choice === 'best' ? 'when it ends' : 'with its first checkpoint';
  const hint = choice === 'best' ? '; ?checkpoint=latest may be there before' : '';
  return problem('no-model-yet', `The run is ${status}; the weights come ${when}${hint}.`);
}

/** Bytes [start, end). The stream breaks off if the checkpoint is replaced meanwhile. */
export function streamWeights(db: Database, file: CheckpointInfo, start: number, end: number): Readable {
  async function* pieces() {
    for (let at = start; at < end; at += pieceBytes) {
      const piece = await readCheckpoint(db, file, at, Math.min(at + pieceBytes, end));
      if (piece === null) throw new Error('the checkpoint was replaced while it was being read');
      yield piece;
    }
  }
  return Readable.from(pieces(), { objectMode: false, highWaterMark: 1 });
}

/** A name that is safe in a header and on every file system. */
function slug(name: string): string {
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return plain.slice(0, 60) || 'run';
}
