// Every process that an experiment starts. Each leads a group of its own, so that it can be killed with its whole
// tree, and none outlives the list.
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';

export interface Started {
  readonly name: string;
  readonly pid: number;
  /** What it wrote, the last megabyte of it. */
  output(): string;
  isAlive(): boolean;
  /** Null while it lives, and where a signal ended it. */
  exitCode(): number | null;
  /** Resolves when it is gone. */
  readonly ended: Promise<void>;
  /** To the whole tree. */
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL to the whole tree; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and SIGKILL 30 s later. */
  stop(): Promise<void>;
}

export interface Processes {
  start(name: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv): Started;
  /** From here on nothing can be started. */
  closeAll(): Promise<void>;
}

const outputMax = 1_000_000;
const stopMsMax = 30_000;

export function createProcesses(): Processes {
  const all = new Set<Started>();
  let closed = false;
  return {
    start: (name, command, args, env) => {
      if (closed) throw new Error(`${name} is not started any more`);
      const started = startOne(
        name,
        spawn(command, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] }),
      );
      all.add(started);
      void started.ended.then(() => all.delete(started));
      return started;
    },
    closeAll: async () => {
      closed = true;
      await Promise.all([...all].map((started) => started.kill()));
    },
  };
}

function startOne(name: string, child: ChildProcess): Started {
  let output = '';
  let alive = true;
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-outputMax);
    });
  }
  const ended = new Promise<void>((resolve) => {
    const end = () => {
      alive = false;
      resolve();
    };
    child.once('close', end);
    child.once('error', (error) => {
      output += error.message;
      end();
    });
  });
  const { pid = 0 } = child;
  const signal = (wanted: NodeJS.Signals) => {
    if (!alive || pid === 0) return;
    try {
      process.kill(-pid, wanted);
    } catch {
      // Gone in the meantime.
    }
  };
  return {
    name,
    pid,
    output: () => output,
    isAlive: () => alive,
    exitCode: () => child.exitCode,
    ended,
    signal,
    kill: async () => {
      signal('SIGKILL');
      await ended;
    },
    stop: async () => {
      signal('SIGTERM');
      const late = new AbortController();
      const killed = wait(stopMsMax, undefined, { signal: late.signal }).then(
        () => signal('SIGKILL'),
        () => undefined,
      );
      await ended;
      late.abort();
      await killed;
    },
  };
}
