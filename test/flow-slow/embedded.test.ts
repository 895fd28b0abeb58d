import { spawn } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findByCommandLine } from '../../src/embedded/process-identity.ts';
import { availableUsers, type Holder, startHolder } from '../flow/support/holder.ts';
import { until } from '../flow/support/lifecycle.ts';

async function query(url: string, sql: string): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

// A data folder below a parent that only its owner may enter: as root, the account Postgres runs under may not.
describe.each(availableUsers())('embedded Postgres as $name', (user) => {
  let dataDir: string;
  let holders: Holder[];
  const hold = async () => {
    const holder = await startHolder(dataDir, user);
    holders.push(holder);
    return holder;
  };
  const home = (name: string) => join(dataDir, 'postgres', name);
  const servers = () => findByCommandLine(`trainyard-${readFileSync(home('id'), 'utf8').trim()}`);
  const postmaster = () => Number(readFileSync(join(home('data'), 'postmaster.pid'), 'utf8').split('\n')[0]);
  const giveToUser = (path: string) => {
    if (user.uid !== undefined && user.gid !== undefined) {
      chownSync(path, user.uid, user.gid);
    }
  };
  const gone = () => until(() => servers().length === 0, 'the end of every Postgres process');

  // One folder for all: to make a new one takes a second or more, and old data must not be in the way.
  beforeAll(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'trainyard-embedded-'));
    giveToUser(dataDir);
  });
  beforeEach(() => {
    holders = [];
  });
  afterEach(async () => {
    for (const holder of holders) {
      await holder.end('stop').catch(() => undefined);
    }
    await gone();
  });
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

  it('keeps its data, its address and its secret over restarts', async () => {
    const first = await hold();
    await query(first.url, 'CREATE TABLE restarted AS SELECT 42 AS n');
    expect(await query(first.url, 'SHOW fsync')).toEqual([['on']]);
    await first.end('stop');
    expect(servers()).toEqual([]);
    const second = await hold();
    expect(second.url).toBe(first.url);
    expect(await query(second.url, 'SELECT n FROM restarted')).toEqual([[42]]);
    expect(statSync(home('password')).mode & 0o777).toBe(0o600);
    expect(statSync(home('data')).mode & 0o077).toBe(0);
  });

  it('listens on loopback only and wants the password', async () => {
    const { url } = await hold();
    expect(await query(url, 'SHOW listen_addresses')).toEqual([['127.0.0.1']]);
    const wrong = new URL(url);
    wrong.password = 'wrong';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/);
  });

  it('is one server for all that start at the same time, until the last has gone', async () => {
    const [a, b, c] = await Promise.all([hold(), hold(), hold()]);
    expect(new Set([a?.url, b?.url, c?.url]).size).toBe(1);
    await a?.end('stop');
    await b?.end('SIGKILL');
    expect(await query(c?.url ?? '', 'SELECT 1')).toEqual([[1]]);
    await c?.end('stop');
    expect(servers()).toEqual([]);
  });

  it('does not outlive a process that ends without giving it back', async () => {
    const holder = await hold();
    await holder.end('exit');
    await gone();
  });

  it('is taken over when its last user was killed', async () => {
    const first = await hold();
    await query(first.url, 'CREATE TABLE adopted AS SELECT 42 AS n');
    const pid = postmaster();
    await first.end('SIGKILL');
    const second = await hold();
    expect(postmaster()).toBe(pid);
    expect(await query(second.url, 'SELECT n FROM adopted')).toEqual([[42]]);
    await second.end('stop');
    expect(servers()).toEqual([]);
  });

  it('comes back after everything was killed, with what was committed', async () => {
    const first = await hold();
    await query(first.url, 'CREATE TABLE recovered AS SELECT 42 AS n');
    const pid = postmaster();
    await first.end('SIGKILL');
    process.kill(pid, 'SIGKILL');
    const second = await hold();
    expect(postmaster()).not.toBe(pid);
    expect(await query(second.url, 'SELECT n FROM recovered')).toEqual([[42]]);
  });

  it('is not blocked by a postmaster.pid whose pid another program has now', async () => {
    const first = await hold();
    const pid = postmaster();
    const file = join(home('data'), 'postmaster.pid');
    const content = readFileSync(file, 'utf8');
    await first.end('SIGKILL');
    process.kill(pid, 'SIGKILL');
    await gone();
    // Of the user Postgres runs as: a foreign one's pid it would see through by itself.
    const { uid, gid } = statSync(home('data'));
    const stranger = spawn('sleep', ['600'], process.getuid?.() === 0 ? { uid, gid } : {});
    try {
      writeFileSync(file, content.replace(String(pid), String(stranger.pid)));
      expect(await query((await hold()).url, 'SELECT 1')).toEqual([[1]]);
    } finally {
      stranger.kill();
    }
  });

  it('starts over when the creation of the data folder was cut short', async () => {
    const first = await hold();
    await first.end('stop');
    rmSync(home('data'), { recursive: true });
    mkdirSync(home('data.new'), { mode: 0o700 });
    giveToUser(home('data.new'));
    writeFileSync(join(home('data.new'), 'PG_VERSION'), '18\n');
    expect(await query((await hold()).url, 'SELECT 1')).toEqual([[1]]);
  });
});
