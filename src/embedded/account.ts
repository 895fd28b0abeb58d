// Postgres refuses to run as root. When we are root it runs under an account that already exists; none is
// created, because a service has no business changing the machine's list of users.
import { readFile } from 'node:fs/promises';

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const preferred = ['postgres', 'nobody'];

/** The account to switch to, or null when this process is no root and nothing has to change. */
export async function chooseAccount(): Promise<Account | null> {
  if (process.getuid?.() !== 0) {
    return null;
  }
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').flatMap(parseAccount);
  for (const name of preferred) {
    const account = accounts.find((entry) => entry.name === name);
    if (account !== undefined) {
      return account;
    }
  }
  throw new Error(
    `Postgres cannot run as root, and none of the users ${preferred.join(', ')} exists here. ` +
      'Run the service as an ordinary user, or set DATABASE_URL.',
  );
}

function parseAccount(line: string): Account[] {
  const [name = '', , uid = '', gid = ''] = line.split(':');
  return /^[1-9]\d*$/.test(uid) && /^\d+$/.test(gid) ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
}
