/** What else the machine does while a slice is timed. */
import { cpus } from 'node:os';
import { setTimeout } from 'node:timers/promises';

export interface Stretch {
  readonly seconds: number;
  /** Processor seconds that went to neither the contestant nor idling. */
  readonly foreign: number;
}

export interface Neighbours {
  /** Begins a stretch; the function ends it, told what the contestant's own processor time was. */
  begin(): (ownSeconds: number) => Stretch;
  pause(seconds: number): Promise<void>;
}

/** Of all processors since the machine's start. */
const idleSeconds = (): number => cpus().reduce((sum, { times }) => sum + times.idle / 1000, 0);

export const neighbours: Neighbours = {
  begin() {
    const start = performance.now();
    const idle = idleSeconds();
    return (ownSeconds) => {
      const seconds = (performance.now() - start) / 1000;
      const busy = seconds * cpus().length - (idleSeconds() - idle);
      return { seconds, foreign: Math.max(0, busy - ownSeconds) };
    };
  },
  pause: (seconds) => setTimeout(seconds * 1000),
};

/** The system counts idle time in hundredths of a second. */
const COUNTING_ERROR_SECONDS = 0.02;
/** Of a processor. */
export const FOREIGN_LOAD_MAX = 0.1;

export const isDisturbed = ({ seconds, foreign }: Stretch): boolean =>
  foreign > seconds * FOREIGN_LOAD_MAX + COUNTING_ERROR_SECONDS;
