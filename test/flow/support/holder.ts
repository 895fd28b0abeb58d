// Processes that hold the embedded Postgres, to be stopped or killed by a test.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { packageRoot } from '../../../src/package-root.ts';

export interface User {
  readonly name: string;
  readonly uid?: number;
  readonly gid?: number;
}

export interface Holder {
  readonly url: string;
  /** Ends it as told: gives the server back, leaves without a word, or is shot. Waits for its end. */
  end(how: 'stop' | 'exit' | 'SIGKILL'): Promise<void>;
}

const script = join(import.meta.dirname, 'hold-postgres.mjs');
const dist = join(packageRoot(), 'dist');

export async function startHolder(dataDir: string, user: User): Promise<Holder> {
  const ids = user.uid === undefined ? {} : { uid: user.uid, gid: user.gid };
  const child = spawn(process.execPath, [script, dist, dataDir], { ...ids, cwd: '/', stdio: 'pipe' });
  const errors = text(child.stderr);
  const ended = once(child, 'close');
  const lines = createInterface({ input: child.stdout });
  const [url] = await Promise.race([once(lines, 'line'), ended.then(() => [null])]);
  if (url === null) {
    throw new Error(`the holder ended: ${await errors}`);
  }
  return {
    url,
    end: async (how) => {
      if (how === 'SIGKILL') {
        child.kill(how);
      } else if (child.stdin.writable) {
        child.stdin.write(`${how}\n`);
      }
      await ended;
    },
  };
}

/** Whom the tests can run as: always this process's user; as root also `nobody`, if it can read this checkout. */
export function availableUsers(): User[] {
  const self = { name: 'this user' };
  if (process.getuid?.() !== 0) {
    return [self];
  }
  const nobody = { name: 'nobody', uid: 65_534, gid: 65_534 };
  const probe = spawnSync(process.execPath, ['--check', join(dist, 'src', 'embedded', 'postgres.js')], {
    uid: nobody.uid,
    gid: nobody.gid,
    cwd: '/',
  });
  return probe.status === 0 ? [self, nobody] : [self];
}
