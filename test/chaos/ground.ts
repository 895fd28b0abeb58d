// What the experiments share: a Postgres with a prepared database that each of them gets a copy of, and the weights
// of undisturbed runs.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/package-root.ts';
import { freePort } from '../support/free-port.ts';
import { auditSql } from './audit.ts';
import { askHttp, createClient } from './client.ts';
import { type ExperimentDatabase, openDatabase } from './database.ts';
import { type Network, openNetwork } from './places/network.ts';
import { openPostgres, type PostgresOptions, type PostgresPlace } from './places/postgres.ts';
import { createProcesses, type Processes } from './places/processes.ts';
import { startService } from './service.ts';
import { trainUndisturbed, type Undisturbed } from './undisturbed.ts';

export interface Ground {
  readonly processes: Processes;
  readonly postgres: PostgresPlace;
  /** The data folder of every process: the keys are in it. */
  readonly folder: string;
  readonly apiKey: string;
  readonly dataset: string;
  readonly undisturbed: Undisturbed;
  cloneDatabase(): Promise<{ name: string; url: string }>;
  dropDatabase(name: string): Promise<void>;
  /** The same on another Postgres. Rejects where this machine does not let us have one like that. */
  onOwnPostgres(options: PostgresOptions): Promise<OwnGround>;
  /** Throws where this machine does not allow it. */
  openNetwork(): Network;
}

export interface OwnGround {
  readonly ground: Ground;
  remove(): Promise<void>;
}

export interface OpenedGround {
  readonly ground: Promise<Ground>;
  /** At any time; leaves nothing running and nothing on the disk. */
  close(): Promise<void>;
}

const template = 'prepared';

export function openGround(say: (line: string) => void): OpenedGround {
  const site = { processes: createProcesses(), folder: mkdtempSync(join(tmpdir(), 'trainyard-chaos-')) };
  const opening = new Set<Promise<PostgresPlace>>();
  const networks = new Set<Network>();
  let closed = false;
  const open = async (options?: PostgresOptions): Promise<PostgresPlace> => {
    if (closed) throw new Error('the experiments are over');
    const place = openPostgres(options);
    opening.add(place);
    const postgres = await place;
    await postgres.start();
    return postgres;
  };
  const more: More = {
    onOwnPostgres: async (known, options) => {
      const postgres = await open(options);
      const folder = join(site.folder, `own-${opening.size}`);
      const ground = await prepare({ ...site, postgres, folder }, say, known, more);
      return { ground, remove: postgres.remove };
    },
    openNetwork: () => {
      if (closed) throw new Error('the experiments are over');
      const network = openNetwork();
      networks.add(network);
      return network;
    },
  };
  return {
    ground: open().then((postgres) => prepare({ ...site, postgres }, say, null, more)),
    close: async () => {
      closed = true;
      await site.processes.closeAll();
      await Promise.allSettled([...opening].map(async (place) => (await place).remove()));
      rmSync(site.folder, { recursive: true, force: true, maxRetries: 20 });
      for (const network of networks) network.remove();
    },
  };
}

interface More extends Pick<Ground, 'openNetwork'> {
  onOwnPostgres(known: Undisturbed, options: PostgresOptions): Promise<OwnGround>;
}

interface Site {
  readonly processes: Processes;
  readonly postgres: PostgresPlace;
  readonly folder: string;
}

async function prepare(
  { processes, postgres, folder }: Site,
  say: (line: string) => void,
  known: Undisturbed | null,
  { openNetwork, onOwnPostgres }: More,
): Promise<Ground> {
  const url = postgres.urlOf(template);
  await withServer(postgres, (server) => server.query(`CREATE DATABASE ${template}`));
  const port = await freePort();
  const env = { DATA_DIR: folder, DATABASE_URL: url, PORT: String(port), RECONCILE_SECONDS: '1' };
  const api = await startService(processes, 'api', 'prepare', { env });
  const apiKey = readFileSync(join(folder, 'admin-key'), 'utf8').trim();
  const address = `http://127.0.0.1:${port}`;
  const dataset = await upload(address, apiKey);
  const worker = await startService(processes, 'worker', 'prepare', { env });
  const database = openDatabase(url);
  const client = createClient({ url: () => address, apiKey, dataset });
  if (known === null) say('training what is to be disturbed once without disturbance');
  const undisturbed = known ?? (await trainUndisturbed(client, database.query));
  await Promise.all([api.stop(), worker.stop()]);
  await database.query(auditSql);
  await database.close();

  let count = 0;
  return {
    processes,
    postgres,
    folder,
    apiKey,
    dataset,
    undisturbed,
    cloneDatabase: async () => {
      count++;
      const name = `world_${count}`;
      await withServer(postgres, (server) => server.query(`CREATE DATABASE ${name} TEMPLATE ${template}`));
      return { name, url: postgres.urlOf(name) };
    },
    dropDatabase: async (name) => {
      await withServer(postgres, (server) => server.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    },
    onOwnPostgres: (options) => onOwnPostgres(undisturbed, options),
    openNetwork,
  };
}

async function withServer<T>(
  postgres: PostgresPlace,
  work: (server: ExperimentDatabase) => Promise<T>,
): Promise<T> {
  const server = openDatabase(postgres.urlOf('postgres'));
  try {
    return await work(server);
  } finally {
    await server.close();
  }
}

async function upload(address: string, apiKey: string): Promise<string> {
  const answer = await askHttp(`${address}/v1/datasets?name=digits&categorical=digit`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'text/csv' },
    body: readFileSync(join(packageRoot(), 'examples', 'data', 'digits.csv')),
  });
  if (answer.body.id === undefined) throw new Error(`the dataset was refused: ${JSON.stringify(answer)}`);
  return answer.body.id;
}
