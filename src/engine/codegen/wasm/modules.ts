/**
 * Compiled modules by what the code is made from: plans of equal content share one, and a thread can be given those
 * that another one has. The least recently used are forgotten.
 */
import type { Kernel, Plan } from '../../kernels.ts';
import { laneProgramOf } from './lane-program.ts';
import { emitModule } from './module.ts';
import type { WasmModule } from './runtime.ts';
import { Module } from './runtime.ts';

/** Can be sent to other threads. */
export interface CompiledPlan {
  readonly key: string;
  readonly module: WasmModule;
  readonly tables: readonly number[];
  readonly scratchBytes: number;
}

export interface ModuleCache {
  /** Compiles what is not there. */
  of(plan: Plan): CompiledPlan;
  /** Takes up what was compiled elsewhere. */
  adopt(compiled: CompiledPlan): void;
  readonly size: number;
}

export function createModuleCache(modulesMax: number): ModuleCache {
  const byKey = new Map<string, CompiledPlan>();
  const keep = (compiled: CompiledPlan): CompiledPlan => {
    // A map is in order of insertion: the last used comes last.
    byKey.delete(compiled.key);
    byKey.set(compiled.key, compiled);
    for (const oldest of byKey.keys()) {
      if (byKey.size <= modulesMax) break;
      byKey.delete(oldest);
    }
    return compiled;
  };
  return {
    of: (plan) => {
      const key = keyOf(plan);
      return keep(byKey.get(key) ?? compile(plan, key));
    },
    adopt: keep,
    get size() {
      return byKey.size;
    },
  };
}

function compile(plan: Plan, key: string): CompiledPlan {
  const { bytes, tables, scratchBytes } = emitModule(plan);
  return { key, module: new Module(bytes), tables, scratchBytes };
}

const keys = new WeakMap<Plan, string>();

/** Everything of a plan that its module depends on, in one canonical form. */
function keyOf(plan: Plan): string {
  const known = keys.get(plan);
  if (known !== undefined) return known;
  const { batchSize, panel, arenaBytes, buffers, programs } = plan;
  const content = [
    batchSize,
    panel,
    arenaBytes,
    buffers.map((b) => [b.kind, b.rows, b.columns, b.capacityRows, b.offset]),
    Object.entries(programs).map(([name, p]) => [
      name,
      p.inputs.length,
      p.outputs.length,
      p.kernels.map(kernelContent),
    ]),
  ];
  const key = JSON.stringify(content, (_, value: unknown) => distinct(value));
  keys.set(plan, key);
  return key;
}

/** JSON has no word for these numbers. */
function distinct(value: unknown): unknown {
  if (Object.is(value, -0)) return '-0';
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

function kernelContent(kernel: Kernel): unknown {
  const { label: _, ...content } = kernel;
  if (kernel.kind !== 'map' && kernel.kind !== 'gemm') return content;
  const stores = kernel.stores.map(({ expr: _, ...store }) => store);
  return { ...content, stores, program: laneProgramOf(kernel) };
}
