// API keys: the admin key of the first start, and who is asking on each request.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Database } from '../db/client.ts';
import { readOrCreateSecret } from '../secret-file.ts';
import { createKey, hashKey, isKey, keyPrefix } from './key.ts';
import { ensureProject, findKey, insertKey, touchKey } from './store.ts';

export interface Identity {
  readonly projectId: string;
  readonly keyId: string;
  readonly scope: 'read' | 'write' | 'admin';
}

export interface KeyService {
  /** The admin key of the project `default`, stored if it was not: `given`, or the one in the data folder. */
  ensureAdminKey(given?: string): Promise<string>;
  /**
   * Who sends this Authorization header, or null: missing, malformed, unknown, expired and revoked are not
   * told apart. What has a key's form costs one look-up whatever its fate.
   */
  authenticate(authorization: string | undefined): Promise<Identity | null>;
}

/** `keySecret`, the HMAC secret, defaults to a file in the data folder, made at the first start. */
export async function createKeyService(at: {
  db: Database;
  dataDir: string;
  keySecret?: string | undefined;
}): Promise<KeyService> {
  const { db, dataDir } = at;
  const secret =
    at.keySecret ??
    (await readOrCreateSecret(join(dataDir, 'hmac-secret'), () => randomBytes(32).toString('hex')));
  return {
    ensureAdminKey: async (given) => {
      const key = given ?? (await readOrCreateSecret(adminKeyFile(dataDir), createKey));
      if (!isKey(key)) {
        throw new Error(
          `${given === undefined ? adminKeyFile(dataDir) : 'API_KEY'} does not hold a Trainyard key`,
        );
      }
      const projectId = await ensureProject(db, 'default');
      const hash = hashKey(key, secret);
      await insertKey(db, { projectId, name: 'admin', prefix: keyPrefix(key), hash, scope: 'admin' });
      return key;
    },
    authenticate: async (authorization) => {
      const key = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
      if (key === undefined || !isKey(key)) {
        return null;
      }
      const row = await findKey(db, hashKey(key, secret));
      if (row === null || !row.usable) {
        return null;
      }
      if (row.stale) {
        // A database that takes no writes can still be read.
        await touchKey(db, row.id).catch(() => undefined);
      }
      return { projectId: row.projectId, keyId: row.id, scope: row.scope };
    },
  };
}

/** Where the generated admin key lies: one line, readable by its owner only. */
export function adminKeyFile(dataDir: string): string {
  return join(dataDir, 'admin-key');
}
