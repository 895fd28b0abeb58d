import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKey } from '../../src/keys/key.ts';
import { adminKeyFile, createKeyService, type KeyService } from '../../src/keys/service.ts';
import { type RunDatabase, runDatabase } from './support/lifecycle.ts';

let at: RunDatabase;
let dataDir: string;
let keys: KeyService;
beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
  dataDir = mkdtempSync(join(tmpdir(), 'trainyard-keys-'));
  keys = await createKeyService({ db: at.db, dataDir });
});
afterAll(async () => {
  rmSync(dataDir, { recursive: true, force: true });
  await at.drop();
});

const bearer = (key: string) => keys.authenticate(`Bearer ${key}`);

async function givenKey(): Promise<{ key: string; keyId: string }> {
  const key = await keys.ensureAdminKey(createKey());
  const identity = await bearer(key);
  return { key, keyId: identity?.keyId ?? '' };
}

const lastUse = async (id: string) => (await at.db.apiKey.findUniqueOrThrow({ where: { id } })).lastUsedAt;

describe('ensureAdminKey', () => {
  it('makes one key, the same at every later start and for processes that start together', async () => {
    const answers = await Promise.all([
      keys.ensureAdminKey(),
      createKeyService({ db: at.db, dataDir }).then((other) => other.ensureAdminKey()),
      keys.ensureAdminKey(),
    ]);
    expect(new Set(answers).size).toBe(1);
    expect(await keys.ensureAdminKey()).toBe(answers[0]);
    expect(await bearer(answers[0])).toMatchObject({ projectId: at.projectId, scope: 'admin' });
    expect(await at.db.apiKey.count()).toBe(1);
    expect(statSync(adminKeyFile(dataDir)).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataDir, 'hmac-secret')).mode & 0o777).toBe(0o600);
  });

  it('stores neither the key nor anything that holds it', async () => {
    const { key, keyId } = await givenKey();
    const row = await at.db.apiKey.findUniqueOrThrow({ where: { id: keyId } });
    expect(row.hash).toHaveLength(32);
    expect(key.startsWith(row.prefix)).toBe(true);
    expect(JSON.stringify(row)).not.toContain(key.slice(10, 40));
  });

  it('refuses a text that is no key', async () => {
    await expect(keys.ensureAdminKey('letmein')).rejects.toThrow(/does not hold a Trainyard key/);
  });
});

describe('authenticate', () => {
  it('answers a missing, malformed, mistyped, unknown, expired and revoked key alike', async () => {
    const [expired, revoked] = [await givenKey(), await givenKey()];
    await at.db.apiKey.update({
      where: { id: expired.keyId },
      data: { expiresAt: new Date(Date.now() - 60_000) },
    });
    await at.db.apiKey.update({ where: { id: revoked.keyId }, data: { revokedAt: new Date() } });
    const good = await givenKey();
    const mistyped = good.key.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a'));
    const headers = [
      undefined,
      '',
      'Bearer',
      good.key,
      `Basic ${good.key}`,
      `Bearer ${good.key} ${good.key}`,
      `Bearer ${mistyped}`,
      `Bearer ${createKey()}`,
      `Bearer ${expired.key}`,
      `Bearer ${revoked.key}`,
    ];
    for (const header of headers) {
      expect(await keys.authenticate(header)).toBeNull();
    }
    expect(await bearer(good.key)).not.toBeNull();
  });

  it('accepts a key that expires later', async () => {
    const { key, keyId } = await givenKey();
    await at.db.apiKey.update({ where: { id: keyId }, data: { expiresAt: new Date(Date.now() + 60_000) } });
    expect(await bearer(key)).toMatchObject({ keyId });
  });

  it('does not know a key under another secret', async () => {
    const { key } = await givenKey();
    const other = await createKeyService({ db: at.db, dataDir, keySecret: 'x'.repeat(32) });
    expect(await other.authenticate(`Bearer ${key}`)).toBeNull();
  });

  it('notes a use once a minute', async () => {
    const { key, keyId } = await givenKey();
    const first = await lastUse(keyId);
    expect(first).not.toBeNull();
    await bearer(key);
    expect(await lastUse(keyId)).toEqual(first);
    const old = new Date(Date.now() - 61_000);
    await at.db.apiKey.update({ where: { id: keyId }, data: { lastUsedAt: old } });
    await bearer(key);
    expect((await lastUse(keyId))?.getTime()).toBeGreaterThan(old.getTime() + 30_000);
  });
});
