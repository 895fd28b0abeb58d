/**
 * Compiled modules by what the code is made from: plans of equal content share one, and a thread can be given those
 * that another one has. The least recently used are forgotten.
 */
import type { Plan } from '../../kernels.ts';
import { planContent } from '../plan-content.ts';
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
      const key = planContent(plan);
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
