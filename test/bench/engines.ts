/** The engines that can take part, and how the process of each is started. */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { packageRoot } from '../../src/package-root.ts';

export const engineNames = [
  'native',
  'wasm',
  'torch',
  'sklearn',
  'jax-js',
  'tfjs-wasm',
  'tfjs-cpu',
  'brain.js',
] as const;
export type EngineName = (typeof engineNames)[number];

/** What has to be installed in the folder of the JavaScript peers. */
export const peerPackages = ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm', '@jax-js/jax', 'brain.js'];

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

export interface Places {
  /** Folder whose node_modules holds the JavaScript peers. */
  readonly peers: string | null;
  readonly python: string;
}

interface Launch extends Places {
  readonly threads: number;
}

interface EngineEntry {
  /** Whether it can use more than one thread. */
  readonly threaded: boolean;
  /** The command, or why there is none. */
  command(launch: Launch): Command | string;
}

const peersFolder = (): string => join(packageRoot(), 'test', 'bench', 'peers');

function nodeCommand(module: string, args: readonly string[]): Command {
  const program = process.execPath;
  return { program, args: [join(import.meta.dirname, 'serve.js'), module, ...args], env: process.env };
}

const trainyard = (backend: string): EngineEntry => ({
  threaded: true,
  command: ({ threads }) =>
    nodeCommand(join(import.meta.dirname, 'trainyard.js'), [backend, String(threads)]),
});

/** Measures the machine itself. */
export const roof: EngineEntry = {
  threaded: true,
  command: ({ threads }) => nodeCommand(join(import.meta.dirname, 'roof.js'), [String(threads)]),
};

const javascript = (module: string, ...args: string[]): EngineEntry => ({
  threaded: false,
  command: ({ peers }) =>
    peers === null
      ? 'no folder of JavaScript peers was given (--peers)'
      : nodeCommand(join(peersFolder(), module), [resolve(peers), ...args]),
});

const python = (script: string): EngineEntry => ({
  threaded: true,
  command: ({ python, threads }) =>
    existsSync(python)
      ? {
          program: python,
          args: [join(peersFolder(), script), String(threads)],
          env: pythonEnvironment(threads),
        }
      : `there is no ${python}`,
});

export const engines: Readonly<Record<EngineName, EngineEntry>> = {
  native: trainyard('native'),
  wasm: trainyard('wasm'),
  torch: python('torch_peer.py'),
  sklearn: python('sklearn_peer.py'),
  'jax-js': javascript('jax.mjs'),
  'tfjs-wasm': javascript('tfjs.mjs', 'wasm'),
  'tfjs-cpu': javascript('tfjs.mjs', 'cpu'),
  'brain.js': javascript('brain.mjs'),
};

/**
 * Without what ties OpenBLAS to one kind of core, and with its OpenMP build first where Debian's is installed: beside
 * PyTorch's own OpenMP threads the pthread build collapses.
 */
function pythonEnvironment(threads: number): NodeJS.ProcessEnv {
  const { OPENBLAS_CORETYPE: _, OPENBLAS_L2_SIZE: __, ...env } = process.env;
  const libraries = [openmpBlas(), env.LD_LIBRARY_PATH].filter((path) => path !== undefined && path !== null);
  return {
    ...env,
    PYTHONDONTWRITEBYTECODE: '1',
    OMP_NUM_THREADS: String(threads),
    OPENBLAS_NUM_THREADS: String(threads),
    ...(libraries.length > 0 && { LD_LIBRARY_PATH: libraries.join(':') }),
  };
}

function openmpBlas(): string | null {
  const root = '/usr/lib';
  if (!existsSync(root)) return null;
  const folders = readdirSync(root).map((triplet) => join(root, triplet, 'openblas-openmp'));
  return folders.find((folder) => existsSync(join(folder, 'libblas.so.3'))) ?? null;
}
