/**
 * One engine at one number of threads, alive in a process of its own from the first round to the last, so that no
 * start-up is timed. Owns the process; requests are answered one at a time.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { z } from 'zod';
import type { Command, EngineName } from './engines.ts';
import type { JobName } from './jobs.ts';
import {
  about,
  doneAnswer,
  failedAnswer,
  modesAnswer,
  type Request,
  type Slice,
  sliceAnswer,
} from './protocol.ts';

export interface Contestant {
  readonly engine: EngineName | 'roof';
  readonly threads: number;
  readonly version: string;
  readonly notes: readonly string[];
  modes(job: JobName): Promise<readonly string[]>;
  prepare(job: JobName, mode: string): Promise<void>;
  slice(job: JobName, mode: string, at: { seconds: number; grain: number }): Promise<Slice>;
  forget(): Promise<void>;
  close(): void;
}

/** Longer than any slice or preparation should ever take. */
const ANSWER_TIMEOUT_MS = 300_000;

/** The engine, or one line that says why it cannot take part. */
export async function openContestant(
  engine: EngineName | 'roof',
  threads: number,
  command: Command,
): Promise<Contestant | string> {
  const process = openProcess(command);
  const greeting = await process
    .nextLine()
    .catch((error: Error) => JSON.stringify({ unavailable: error.message }));
  const first = about.parse(JSON.parse(greeting));
  if ('unavailable' in first) {
    process.close();
    return first.unavailable;
  }
  const ask = async <T>(request: Request, schema: z.ZodType<T>): Promise<T> => {
    process.write(JSON.stringify(request));
    const answer: unknown = JSON.parse(await process.nextLine());
    const failed = failedAnswer.safeParse(answer);
    if (failed.success) throw new Error(failed.data.error);
    return schema.parse(answer);
  };
  return {
    engine,
    threads,
    ...first,
    modes: async (job) => (await ask({ command: 'modes', job }, modesAnswer)).modes,
    prepare: async (job, mode) => {
      await ask({ command: 'prepare', job, mode }, doneAnswer);
    },
    slice: (job, mode, { seconds, grain }) =>
      ask({ command: 'slice', job, mode, seconds, grain }, sliceAnswer),
    forget: async () => {
      await ask({ command: 'forget' }, doneAnswer);
    },
    close: process.close,
  };
}

/** A child process that is talked to in lines. `nextLine` throws once it has ended, with its last words. */
function openProcess({ program, args, env }: Command) {
  const child = spawn(program, [...args], { env, stdio: 'pipe' });
  const lines: string[] = [];
  let lastWords = '';
  let ended = false;
  let wake = (): void => undefined;
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    wake();
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (line.trim() !== '') lastWords = line.trim();
  });
  const end = (): void => {
    ended = true;
    wake();
  };
  child.on('error', (error) => {
    lastWords = error.message;
    end();
  });
  child.on('close', end);
  // Writing to a process that has just ended: nextLine tells.
  child.stdin.on('error', () => undefined);
  return {
    write: (line: string) => child.stdin.write(`${line}\n`),
    async nextLine(): Promise<string> {
      const timer = setTimeout(() => {
        lastWords = `no answer after ${ANSWER_TIMEOUT_MS / 1000} s`;
        child.kill('SIGKILL');
      }, ANSWER_TIMEOUT_MS);
      try {
        while (lines.length === 0 && !ended) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      } finally {
        clearTimeout(timer);
      }
      const line = lines.shift();
      if (line === undefined) throw new Error(lastWords === '' ? 'its process ended' : lastWords);
      return line;
    },
    close: () => {
      child.stdin.end();
      child.kill();
    },
  };
}
