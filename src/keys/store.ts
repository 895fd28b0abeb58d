// The rows behind API keys. Keys are looked up by their HMAC; their text is never stored.
import { v7 as uuid } from 'uuid';
import type { Database } from '../db/client.ts';
import type { ApiKeyScope } from '../db/generated/enums.ts';

export interface KeyRow {
  readonly id: string;
  readonly projectId: string;
  readonly scope: ApiKeyScope;
  /** Neither revoked nor expired, by the database's clock. */
  readonly usable: boolean;
  /** Last use is older than a minute, or never was. */
  readonly stale: boolean;
}

export async function findKey(db: Database, hash: Uint8Array<ArrayBuffer>): Promise<KeyRow | null> {
  const rows = await db.$queryRaw<KeyRow[]>`
    SELECT id, "projectId", scope::text AS scope,
           "revokedAt" IS NULL AND ("expiresAt" IS NULL OR "expiresAt" > now()) AS usable,
           "lastUsedAt" IS NULL OR "lastUsedAt" < now() - interval '1 minute' AS stale
    FROM "ApiKey" WHERE hash = ${hash}`;
  return rows[0] ?? null;
}

/** Notes a use, unless another process noted one within the last minute. */
export async function touchKey(db: Database, id: string): Promise<void> {
  await db.$executeRaw`
    UPDATE "ApiKey" SET "lastUsedAt" = now()
    WHERE id = ${id}::uuid AND ("lastUsedAt" IS NULL OR "lastUsedAt" < now() - interval '1 minute')`;
}

/** The project's id, creating the project when it is not there. */
export async function ensureProject(db: Database, name: string): Promise<string> {
  await db.project.createMany({ data: [{ id: uuid(), name }], skipDuplicates: true });
  const project = await db.project.findUniqueOrThrow({ where: { name }, select: { id: true } });
  return project.id;
}

/** Stores the key; one that is stored already is left as it is. */
export async function insertKey(
  db: Database,
  key: {
    projectId: string;
    name: string;
    prefix: string;
    hash: Uint8Array<ArrayBuffer>;
    scope: ApiKeyScope;
  },
): Promise<void> {
  await db.apiKey.createMany({ data: [{ id: uuid(), ...key }], skipDuplicates: true });
}
