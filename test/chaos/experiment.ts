// What an experiment is: one row of the table of faults.
import type { QueueName, World } from './world.ts';

export type Mode = 'quick' | 'full';

export interface Surroundings {
  readonly world: World;
  readonly mode: Mode;
  readonly repetitions: number;
  /** For progress lines. */
  say(line: string): void;
}

export interface Experiment {
  readonly id: string;
  readonly title: string;
  readonly queues: readonly QueueName[];
  readonly repetitions: Readonly<Record<Mode, number>>;
  /** A recovery may take so long; null where none is measured. */
  readonly boundSeconds: number | null;
  /** It stops or shakes what others stand on, and has the machine to itself. */
  readonly alone?: boolean;
  /** Its Postgres lies on a disk of this size. */
  readonly diskMegabytes?: number;
  /** It interrupts lines, which lie in a network of its own where that can be had. */
  readonly lines?: true;
  /** Settings that it needs in all its processes, beside the mode's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Disturbs; what holds for every experiment is checked afterwards. Throws where it cannot be done. */
  run(at: Surroundings): Promise<void>;
}
