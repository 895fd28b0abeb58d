import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, childEnvironment, loadConfig } from '../../src/config.ts';
import { createKey } from '../../src/keys/key.ts';

function messageFor(env: Record<string, string>): string {
  try {
    loadConfig(env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error instanceof Error ? error.message : '';
  }
  throw new Error('the settings were accepted');
}

describe('loadConfig', () => {
  it('has a default for every setting, and takes an empty value as absent', () => {
    const expected = {
      host: '127.0.0.1',
      port: 8080,
      databaseUrl: undefined,
      redisUrl: undefined,
      dataDir: resolve('.trainyard'),
      logLevel: 'info',
      apiKey: undefined,
      keySecret: undefined,
      workerSlots: availableParallelism(),
      workerMemory: undefined,
      engineBackend: 'auto',
      leaseSeconds: 15,
      reconcileSeconds: 5,
      queuePrefix: 'trainyard',
      failpoints: [],
    };
    expect(loadConfig({})).toEqual(expected);
    expect(loadConfig({ PORT: '', DATABASE_URL: '', API_KEY: '', UNKNOWN: 'x' })).toEqual(expected);
  });

  it('reads what is given', () => {
    const apiKey = createKey();
    const config = loadConfig({
      HOST: '::1',
      PORT: '0',
      DATABASE_URL: 'postgresql://u:p@db:5432/name?sslmode=require',
      REDIS_URL: 'rediss://cache:6380',
      DATA_DIR: '/srv/data',
      LOG_LEVEL: 'silent',
      API_KEY: apiKey,
      WORKER_SLOTS: '3',
      ENGINE_BACKEND: 'interpreter',
    });
    expect(config).toMatchObject({ host: '::1', port: 0, dataDir: '/srv/data', logLevel: 'silent', apiKey });
    expect(config).toMatchObject({
      redisUrl: 'rediss://cache:6380',
      workerSlots: 3,
      engineBackend: 'interpreter',
    });
  });

  it.each([
    ['PORT', '80a', 'PORT: "80a" is not usable; it should be a whole number from 0 to 65535.'],
    ['PORT', '65536', 'PORT: "65536" is not usable; it should be a whole number from 0 to 65535.'],
    ['PORT', '-1', 'PORT: "-1" is not usable; it should be a whole number from 0 to 65535.'],
    ['WORKER_SLOTS', '0', 'WORKER_SLOTS: "0" is not usable; it should be a whole number from 1 to 1024.'],
    [
      'LEASE_SECONDS',
      '1e1',
      'LEASE_SECONDS: "1e1" is not usable; it should be a whole number from 2 to 3600.',
    ],
    [
      'WORKER_MEMORY',
      '6GB',
      'WORKER_MEMORY: "6GB" is not usable; it should be a number of bytes, MiB or GiB, like 6GiB.',
    ],
    [
      'WORKER_MEMORY',
      '63MiB',
      'WORKER_MEMORY: "63MiB" is not usable; it should be at least 64MiB, at most 1048576GiB.',
    ],
    ['HOST', 'a b', 'HOST: "a b" is not usable; it should be a host name or address.'],
    [
      'ENGINE_BACKEND',
      'gpu',
      'ENGINE_BACKEND: "gpu" is not usable; it should be one of auto, native, wasm, interpreter.',
    ],
    [
      'FAILPOINTS',
      'claim.after=loop',
      'FAILPOINTS: "claim.after=loop" is not usable; it should be claim.after= with an action of kill, stop, throw.',
    ],
  ])('refuses %s=%s in one line that says what would be right', (name, value, line) => {
    expect(messageFor({ [name]: value })).toBe(line);
  });

  it.each([
    ['67108864', 67_108_864],
    ['512 MiB', 536_870_912],
    ['6GiB', 6_442_450_944],
  ])('reads %s of memory', (text, bytes) => {
    expect(loadConfig({ WORKER_MEMORY: text }).workerMemory).toBe(bytes);
  });

  it('has one line for each bad value', () => {
    expect(messageFor({ PORT: 'x', LOG_LEVEL: 'loud' }).split('\n')).toHaveLength(2);
  });

  it.each([
    ['DATABASE_URL', 'mysql://root:hunter2@db/x', 'a URL like postgres://user:password@host:5432/name'],
    ['REDIS_URL', 'hunter2', 'a URL like redis://host:6379'],
    ['API_KEY', 'ty_hunter2', 'a Trainyard key'],
    ['KEY_SECRET', 'hunter2', 'at least 32 random characters'],
  ])('does not repeat the secret in a bad %s', (name, value, hint) => {
    const message = messageFor({ [name]: value });
    expect(message).toContain(`${name}: its value is not usable; it should be ${hint}`);
    expect(message).not.toContain('hunter2');
  });
});

describe('childEnvironment', () => {
  it('is read back as the same settings', () => {
    const given = {
      PORT: '0',
      DATABASE_URL: 'postgres://u:p@db/name',
      DATA_DIR: '/srv/data',
      API_KEY: createKey(),
      KEY_SECRET: 'k'.repeat(32),
      WORKER_SLOTS: '2',
      WORKER_MEMORY: '3GiB',
      LEASE_SECONDS: '7',
      RECONCILE_SECONDS: '9',
      QUEUE_PREFIX: 'other',
      FAILPOINTS: 'claim.after=stop,thread.step=trap@3',
    };
    for (const env of [{}, given]) {
      const config = loadConfig(env);
      expect(loadConfig(childEnvironment(config))).toEqual(config);
    }
  });
});
