// The only reader of the environment. Every setting is parsed once, at the start; a bad value stops the
// start with one clear line each, and a secret's value is never part of such a line.
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { z } from 'zod';
import { type Failpoint, parseFailpoints, printFailpoints } from './failpoints.ts';
import { isKey } from './keys/key.ts';

export interface Config {
  readonly host: string;
  /** 0 means any free port. */
  readonly port: number;
  /** Absent: an embedded Postgres in the data folder. */
  readonly databaseUrl: string | undefined;
  /** Absent: BullMQ runs on Postgres. */
  readonly redisUrl: string | undefined;
  /** Absolute. */
  readonly dataDir: string;
  readonly logLevel: LogLevel;
  /** The client's key; for the server, the admin key to install. */
  readonly apiKey: string | undefined;
  /** HMAC secret for stored keys, to be shared by several API hosts. Absent: a file in the data folder. */
  readonly keySecret: string | undefined;
  /** Runs trained at the same time by one worker process. */
  readonly workerSlots: number;
  /** Bytes that a worker's trainings may take together. Absent: most of what its process may have. */
  readonly workerMemory: number | undefined;
  readonly engineBackend: 'auto' | 'native' | 'wasm' | 'interpreter';
  readonly leaseSeconds: number;
  readonly reconcileSeconds: number;
  readonly queuePrefix: string;
  /** For tests: where to come to grief. */
  readonly failpoints: readonly Failpoint[];
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

const secretNames: ReadonlySet<string> = new Set(['DATABASE_URL', 'REDIS_URL', 'API_KEY', 'KEY_SECRET']);

function wholeNumber(from: number, to: number, fallback: number) {
  const expected = `a whole number from ${from} to ${to}`;
  return z
    .string()
    .regex(/^\d{1,9}$/, expected)
    .transform(Number)
    .refine((n) => n >= from && n <= to, expected)
    .default(fallback);
}

const byteUnits: Readonly<Record<string, number>> = { '': 1, MiB: 1024 ** 2, GiB: 1024 ** 3 };

const byteCount = z
  .string()
  .regex(/^[1-9]\d{0,14} ?(MiB|GiB)?$/, 'a number of bytes, MiB or GiB, like 6GiB')
  .transform((text) => Number.parseInt(text, 10) * (byteUnits[text.replace(/^\d+ ?/, '')] ?? 1))
  .refine((bytes) => bytes >= 64 * 1024 ** 2 && bytes <= 2 ** 50, 'at least 64MiB, at most 1048576GiB')
  .optional();

function urlOf(protocols: readonly string[], example: string) {
  return z
    .string()
    .refine((text) => {
      const url = URL.canParse(text) ? new URL(text) : null;
      return url !== null && protocols.includes(url.protocol) && url.hostname !== '';
    }, `a URL like ${example}`)
    .optional();
}

const oneOf = <const T extends readonly string[]>(values: T, fallback: T[number]) =>
  z.enum(values, `one of ${values.join(', ')}`).default(fallback);

const environment = z.object({
  HOST: z
    .string()
    .regex(/^[\w.:-]+$/, 'a host name or address')
    .default('127.0.0.1'),
  PORT: wholeNumber(0, 65535, 8080),
  DATABASE_URL: urlOf(['postgres:', 'postgresql:'], 'postgres://user:password@host:5432/name'),
  REDIS_URL: urlOf(['redis:', 'rediss:'], 'redis://host:6379'),
  DATA_DIR: z.string().default('.trainyard'),
  LOG_LEVEL: oneOf(logLevels, 'info'),
  API_KEY: z.string().refine(isKey, 'a Trainyard key, ty_… as the service wrote it').optional(),
  KEY_SECRET: z.string().min(32, 'at least 32 random characters').optional(),
  WORKER_SLOTS: wholeNumber(1, 1024, availableParallelism()),
  WORKER_MEMORY: byteCount,
  ENGINE_BACKEND: oneOf(['auto', 'native', 'wasm', 'interpreter'], 'auto'),
  LEASE_SECONDS: wholeNumber(2, 3600, 15),
  RECONCILE_SECONDS: wholeNumber(1, 3600, 5),
  QUEUE_PREFIX: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,39}$/, 'up to 40 lower-case letters, digits and underscores, a letter first')
    .default('trainyard'),
  FAILPOINTS: z.string().default('').transform(failpoints),
});

function failpoints(text: string, context: z.RefinementCtx): Failpoint[] {
  try {
    return parseFailpoints(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    return z.NEVER;
  }
}

/** Thrown by `loadConfig`: `message` has one line for each bad value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Parses the settings. An empty value counts as absent; unknown names are ignored. Throws `ConfigError`. */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    Object.keys(environment.shape).map((name) => [name, env[name] === '' ? undefined : env[name]]),
  );
  const parsed = environment.safeParse(given);
  if (!parsed.success) {
    throw new ConfigError(describeIssues(parsed.error.issues, given));
  }
  const values = parsed.data;
  return Object.freeze({
    host: values.HOST,
    port: values.PORT,
    databaseUrl: values.DATABASE_URL,
    redisUrl: values.REDIS_URL,
    dataDir: resolve(values.DATA_DIR),
    logLevel: values.LOG_LEVEL,
    apiKey: values.API_KEY,
    keySecret: values.KEY_SECRET,
    workerSlots: values.WORKER_SLOTS,
    workerMemory: values.WORKER_MEMORY,
    engineBackend: values.ENGINE_BACKEND,
    leaseSeconds: values.LEASE_SECONDS,
    reconcileSeconds: values.RECONCILE_SECONDS,
    queuePrefix: values.QUEUE_PREFIX,
    failpoints: values.FAILPOINTS,
  });
}

/** This process's environment with the settings in it, as a child process's `loadConfig` reads them back. */
export function childEnvironment(config: Config): NodeJS.ProcessEnv {
  const settings: Record<keyof typeof environment.shape, string> = {
    HOST: config.host,
    PORT: String(config.port),
    DATABASE_URL: config.databaseUrl ?? '',
    REDIS_URL: config.redisUrl ?? '',
    DATA_DIR: config.dataDir,
    LOG_LEVEL: config.logLevel,
    API_KEY: config.apiKey ?? '',
    KEY_SECRET: config.keySecret ?? '',
    WORKER_SLOTS: String(config.workerSlots),
    WORKER_MEMORY: String(config.workerMemory ?? ''),
    ENGINE_BACKEND: config.engineBackend,
    LEASE_SECONDS: String(config.leaseSeconds),
    RECONCILE_SECONDS: String(config.reconcileSeconds),
    QUEUE_PREFIX: config.queuePrefix,
    FAILPOINTS: printFailpoints(config.failpoints),
  };
  return { ...process.env, ...settings };
}

/** One line per variable: a value that fails twice is still one mistake. */
function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  given: Readonly<Record<string, string | undefined>>,
): string {
  const lines = new Map<string, string>();
  for (const issue of issues) {
    const name = String(issue.path[0]);
    const value = secretNames.has(name) ? 'its value' : JSON.stringify(given[name]);
    if (!lines.has(name)) {
      lines.set(name, `${name}: ${value} is not usable; it should be ${issue.message}.`);
    }
  }
  return [...lines.values()].join('\n');
}
