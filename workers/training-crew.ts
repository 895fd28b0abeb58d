// The threads that help this training thread. They are started when first a training is worth them and may have them,
// and serve every one after it.
import type { Crew } from '../src/engine/crew.ts';
import type { Plan } from '../src/engine/kernels.ts';
import { createCrew, type OwnedCrew } from './crew.ts';
import { threadsFor, type WorkerBackend } from './engine-backend.ts';
import { createWeightsHash, type WeightsHash } from './weights-hash.ts';

let owned: OwnedCrew | null = null;

export interface TrainingCrew {
  /** For the executor of a plan: who helps with it, if anyone. */
  readonly crewFor: (plan: Plan) => Crew | undefined;
  /** Hashes this training's weights. */
  readonly weights: WeightsHash;
  /** From the next program on, at most so many threads work. */
  allow(threads: number): void;
}

/** `wanted` is the spec's word, `most` what this worker has. */
export function createTrainingCrew(
  wanted: number | 'auto',
  backend: WorkerBackend,
  most: number,
): TrainingCrew {
  let worth = 1;
  let allowed = 1;
  const share = () => Math.min(worth, allowed);
  let helped = false;
  return {
    weights: createWeightsHash(() => (helped && owned !== null ? owned.hash : null)),
    crewFor: (plan) => {
      worth = wanted === 'auto' ? threadsFor(plan, backend, most) : Math.min(wanted, most);
      if (worth < 2 || backend === 'interpreter') {
        return undefined;
      }
      helped = true;
      owned ??= createCrew(most, { active: share() });
      owned.use(share());
      return owned;
    },
    allow: (threads) => {
      allowed = threads;
      owned?.use(share());
    },
  };
}
