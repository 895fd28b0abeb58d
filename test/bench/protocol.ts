/**
 * What the harness and an engine's process say to each other, one JSON object a line: the process says `about`, then
 * answers each request in turn. Its standard error is for people.
 */
import { z } from 'zod';
import { jobName } from './jobs.ts';

/** The process's first line: what it is, or why it cannot take part. */
export const about = z.union([
  z.strictObject({
    version: z.string(),
    /** Worth a line under the table. */
    notes: z.array(z.string()),
  }),
  z.strictObject({ unavailable: z.string() }),
]);
export type About = z.infer<typeof about>;

export const request = z.discriminatedUnion('command', [
  /** Ways to train the job; none if the engine cannot. */
  z.strictObject({ command: z.literal('modes'), job: jobName }),
  /** Builds the job and trains a little, untimed. */
  z.strictObject({ command: z.literal('prepare'), job: jobName, mode: z.string() }),
  /** Trains for about `seconds`; each sample lasts at least `grain` seconds unless the slice ends. */
  z.strictObject({
    command: z.literal('slice'),
    job: jobName,
    mode: z.string(),
    seconds: z.number().positive(),
    grain: z.number().positive(),
  }),
  /** Drops everything prepared. */
  z.strictObject({ command: z.literal('forget') }),
]);
export type Request = z.infer<typeof request>;

export const modesAnswer = z.strictObject({ modes: z.array(z.string()) });

export const doneAnswer = z.strictObject({});

export const sliceAnswer = z.strictObject({
  samples: z.array(z.strictObject({ steps: z.int().positive(), seconds: z.number().positive() })).min(1),
  /** Of all threads of the process, within the slice. */
  cpuSeconds: z.number().nonnegative(),
});
export type Slice = z.infer<typeof sliceAnswer>;

export const failedAnswer = z.strictObject({ error: z.string() });
