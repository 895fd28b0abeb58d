// Groups a training's finished epochs, so that quick ones do not cost a message each, and a run that is over in a
// moment is told, and stored, in one piece.
import type { FinishedEpochMessage, StoredBytes } from './protocol.ts';

type Checkpoint = StoredBytes | null;

export interface EpochGroup {
  readonly epochs: FinishedEpochMessage[];
  /** The newest; of the last epoch, one before, or within the next. */
  readonly checkpoint: Checkpoint;
}

export interface EpochGroups {
  /** Sends what is there when the last message was a while ago. */
  add(epoch: FinishedEpochMessage, checkpoint: Checkpoint): void;
  /** Sends a state within an epoch, with what is there. */
  addWithin(checkpoint: StoredBytes): void;
  /** Keeps the last state of all for whoever takes what was not sent. */
  addLast(checkpoint: StoredBytes): void;
  /** Sends what is there. */
  flush(): void;
  /** What was not sent; sending it is up to the caller. */
  take(): EpochGroup;
}

const groupMs = 50;
const groupEpochsMax = 256;

export function createEpochGroups(send: (group: EpochGroup) => void, now: () => number): EpochGroups {
  let epochs: FinishedEpochMessage[] = [];
  let checkpoint: Checkpoint = null;
  let sentAt = now();

  const take = (): EpochGroup => {
    const group = { epochs, checkpoint };
    epochs = [];
    checkpoint = null;
    sentAt = now();
    return group;
  };
  const flush = (): void => {
    if (epochs.length > 0 || checkpoint !== null) send(take());
  };
  return {
    add: (epoch, withCheckpoint) => {
      epochs.push(epoch);
      checkpoint = withCheckpoint ?? checkpoint;
      if (now() - sentAt >= groupMs || epochs.length >= groupEpochsMax) flush();
    },
    addWithin: (state) => {
      checkpoint = state;
      flush();
    },
    addLast: (state) => {
      checkpoint = state;
    },
    flush,
    take,
  };
}
