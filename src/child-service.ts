// One service in a child process of its own, started again when it dies by itself.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from './log.ts';
import type { ReadyMessage } from './service-process.ts';

export interface ChildService {
  /** Where the service listens, if it does. Rejects when its first start fails, with what it said last. */
  readonly ready: Promise<string | null>;
  /** Null between a death and the next start. */
  pid(): number | null;
  /** SIGTERM, and SIGKILL for what is left after 27 s. Resolves when the process is gone. */
  stop(): Promise<void>;
}

export interface ChildSpec {
  readonly name: string;
  /** A JavaScript file. */
  readonly entry: string;
  /** Node's own options. */
  readonly execArgv?: readonly string[];
  /** Asked before each start; `url` is where the service listened the last time. */
  readonly environment: (url: string | null) => NodeJS.ProcessEnv;
  readonly onLine: (name: string, line: string) => void;
  readonly log: Log;
}

const stopMsMax = 27_000;
const restartMsMin = 250;
const restartMsMax = 10_000;
/** A service that lived this long did not die of its start. */
const steadyMs = 60_000;

export function startChild(spec: ChildSpec): ChildService {
  let child: ChildProcess | null = null;
  let url: string | null = null;
  const stopping = new AbortController();
  let settle: { resolve(url: string | null): void; reject(error: Error): void } | null = null;
  const ready = new Promise<string | null>((resolve, reject) => {
    settle = { resolve, reject };
  });

  const runOnce = async (): Promise<void> => {
    let lastLine = 'it said nothing';
    const running = fork(spec.entry, [], {
      env: spec.environment(url),
      execArgv: [...(spec.execArgv ?? [])],
      // A process group of its own: Ctrl-C is for us, and we tell the children when it is time.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    child = running;
    for (const stream of [running.stdout, running.stderr]) {
      createInterface({ input: stream as Readable }).on('line', (line) => {
        lastLine = line;
        spec.onLine(spec.name, line);
      });
    }
    running.on('message', (message) => {
      url = (message as ReadyMessage).url;
      settle?.resolve(url);
      settle = null;
    });
    // 'close' rather than 'exit': what it said last has been read by then. A failed fork emits only 'error'.
    await Promise.race([once(running, 'close'), once(running, 'error')]).catch(() => undefined);
    child = null;
    if (settle !== null) {
      settle.reject(new Error(lastLine));
      settle = null;
      stopping.abort();
    } else if (!stopping.signal.aborted) {
      const { exitCode, signalCode } = running;
      spec.log.warn({ service: spec.name, exitCode, signalCode }, 'a service died; it is started again');
    }
  };

  const runForever = async (): Promise<void> => {
    let restartMs = restartMsMin;
    while (!stopping.signal.aborted) {
      const startedAt = performance.now();
      await runOnce();
      restartMs = performance.now() - startedAt > steadyMs ? restartMsMin : restartMs;
      await delay(restartMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      restartMs = Math.min(restartMs * 2, restartMsMax);
    }
  };
  const ended = runForever();

  return {
    ready,
    pid: () => child?.pid ?? null,
    stop: async () => {
      stopping.abort();
      child?.kill('SIGTERM');
      const timer = setTimeout(() => {
        spec.log.error({ service: spec.name }, 'a service did not stop in time and is killed');
        child?.kill('SIGKILL');
      }, stopMsMax);
      await ended;
      clearTimeout(timer);
    },
  };
}
