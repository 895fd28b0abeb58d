// Prisma's own schema engine, compiled to WebAssembly: nothing to download, and it speaks to the database
// through the same driver as the client. Its package expects a bundler that links .wasm imports; this links
// the module by hand.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  bindMigrationAwareSqlAdapterFactory,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import * as glue from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';

export type SchemaEngine = glue.SchemaEngine;

// The glue's published types leave out what its linker calls, and Node's types leave out WebAssembly.
interface Linkable {
  __wbg_set_wasm(exports: Record<string, unknown>): void;
}
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: Record<string, unknown>,
  ): Promise<{ instance: { exports: Record<string, unknown> } }>;
};

let linked: Promise<void> | null = null;

/** Runs `work` with an engine connected to the database. `datamodels`: schemas by file name, for diffs. */
export async function withSchemaEngine<T>(
  url: string,
  work: (engine: SchemaEngine) => Promise<T>,
  datamodels?: [string, string][],
): Promise<T> {
  linked ??= link();
  await linked;
  const pool = new pg.Pool({ connectionString: url, max: 2, connectionTimeoutMillis: 5_000 });
  pool.on('error', () => undefined);
  try {
    const adapter = bindMigrationAwareSqlAdapterFactory(wholeScripts(new PrismaPg(pool)));
    const engine = await glue.SchemaEngine.new({ datamodels }, () => undefined, adapter);
    try {
      return await work(engine);
    } finally {
      engine.free();
    }
  } finally {
    await pool.end();
  }
}

/** The driver's own way is to cut a script at every semicolon; whole it may hold functions, and is one transaction. */
function wholeScripts(factory: PrismaPg): SqlMigrationAwareDriverAdapterFactory {
  return {
    provider: factory.provider,
    adapterName: factory.adapterName,
    connect: async () => {
      const adapter = await factory.connect();
      const executeScript = async (sql: string) => {
        await adapter.executeRaw({ sql, args: [], argTypes: [] });
      };
      return Object.assign(adapter, { executeScript });
    },
    connectToShadowDb: () => factory.connectToShadowDb(),
  };
}

/** The SQL that takes a database of the schema `from` (null: an empty one) to the schema `to`; '' if none. */
export async function schemaDifference(url: string, from: string | null, to: string): Promise<string> {
  const model = (content: string) => ({
    tag: 'schemaDatamodel' as const,
    files: [{ path: 'schema.prisma', content }],
  });
  const result = await withSchemaEngine(
    url,
    (engine) =>
      engine.diff({
        from: from === null ? { tag: 'empty' } : model(from),
        to: model(to),
        script: true,
        exitCode: true,
        filters: { externalTables: [], externalEnums: [] },
      }),
    [['schema.prisma', to]],
  );
  return result.exitCode === 0 ? '' : (result.stdout ?? '');
}

async function link(): Promise<void> {
  const entry = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm');
  const bytes = await readFile(join(dirname(entry), 'schema_engine_bg.wasm'));
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': glue });
  (glue as unknown as Linkable).__wbg_set_wasm(instance.exports);
  const start = instance.exports.__wbindgen_start;
  if (typeof start === 'function') {
    start();
  }
}
