// The worker's verifications: one at a time, beside the runs and in none of their slots. Found by a ticket, by the
// worker's polls, and when the one before has ended.
import type { SqlPool } from '../src/db/sql.ts';
import type { Log } from '../src/log.ts';
import type { Claimant } from '../src/runs/lease-store.ts';
import {
  type ClaimedVerification,
  claimNextVerification,
  claimVerification,
} from '../src/runs/verification-store.ts';
import type { MemoryBudget } from './memory-budget.ts';
import type { VerificationTask } from './verification.ts';

export interface VerifierDeps {
  readonly db: SqlPool;
  readonly claimant: Omit<Claimant, 'memory'>;
  readonly budget: MemoryBudget;
  readonly log: Log;
  start(claimed: ClaimedVerification): VerificationTask;
}

export interface Verifier {
  /** Takes up the verification of that id, if there is one that waits and none under way. */
  ring(id: string): void;
  /** Takes up the one that waits longest. */
  poll(): void;
  /** Takes up nothing more, and waits for what is under way to stop. */
  drain(): Promise<void>;
}

type Claim = (claimant: Claimant) => Promise<ClaimedVerification | null>;

export function createVerifier({ db, claimant, budget, log, start }: VerifierDeps): Verifier {
  let working: Promise<void> | null = null;
  let task: VerificationTask | null = null;
  let stopping = false;
  /** Somebody rang meanwhile: look once more. */
  let again = false;

  const work = async (claim: Claim): Promise<boolean> => {
    const claimed = await budget
      .claim(
        (memory) => claim({ ...claimant, memory }),
        ({ run: { memoryBytes } }) => memoryBytes,
      )
      .catch((error: unknown) => {
        log.warn({ err: error }, 'could not claim a verification');
        return null;
      });
    if (claimed === null) return false;
    const { hold, run } = claimed;
    log.info({ verification: hold.id, run: run.hold.runId }, 'verification starts');
    task = start(claimed);
    if (stopping) task.drain();
    await task.ended;
    task = null;
    budget.release(run.memoryBytes);
    log.info({ verification: hold.id, run: run.hold.runId }, 'verification ended');
    return true;
  };
  const next: Claim = (now) => claimNextVerification(db, now);
  /** One after the other, as long as there are some. */
  const workAll = async (first: Claim): Promise<void> => {
    let claim = first;
    while (!stopping && (await work(claim))) claim = next;
  };
  const begin = (first: Claim): void => {
    again ||= working !== null;
    if (working !== null || stopping) return;
    working = workAll(first).finally(() => {
      working = null;
      if (again) begin(next);
      again = false;
    });
  };

  return {
    ring: (id) => begin((now) => claimVerification(db, id, now)),
    poll: () => begin(next),
    drain: async () => {
      stopping = true;
      task?.drain();
      await working;
    },
  };
}
