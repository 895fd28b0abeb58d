/**
 * Plans' machine code in executable memory, by what it is made from: however many runs, plans of equal content are
 * emitted and loaded once. The least recently used goes when there is too much; what an executor still runs stays.
 */
import { planContent } from '../engine/codegen/plan-content.ts';
import type { IsaName } from '../engine/codegen/x86/isa.ts';
import { isas } from '../engine/codegen/x86/isa.ts';
import { emitPlan } from '../engine/codegen/x86/plan-code.ts';
import type { Plan, ProgramName } from '../engine/kernels.ts';
import type { NativeFunction, NativeMemory, Pages } from './memory.ts';

export interface LoadedCode {
  readonly entries: Readonly<Record<ProgramName, bigint>>;
  readonly functions: Readonly<Record<ProgramName, NativeFunction>>;
  /** Scratch that each thread needs. */
  readonly scratchBytes: number;
}

export interface HeldCode extends LoadedCode {
  /** The code must not run any more. */
  release(): void;
}

export interface CodeCache {
  /** Emits and loads what is not there. `threaded`: it can be shared out among threads. */
  hold(plan: Plan, threaded: boolean): HeldCode;
  /** Code that is loaded, in bytes. */
  readonly bytes: number;
}

interface Entry extends LoadedCode {
  readonly pages: Pages;
  readonly byteLength: number;
  holders: number;
}

/** `bytesMax`: how much is kept loaded, beside what is running. */
export function createCodeCache(memory: NativeMemory, isa: IsaName, bytesMax: number): CodeCache {
  const entries = new Map<string, Entry>();
  let bytes = 0;

  const load = (plan: Plan, threaded: boolean): Entry => {
    const code = emitPlan(plan, { isa: isas[isa], threaded, yields: process.platform === 'linux' });
    const pages = memory.load(code.bytes);
    const each = <T>(of: (address: bigint) => T): Record<ProgramName, T> => {
      const { train, evaluate, predict } = code.entries;
      const at = (entry: number): T => of(pages.address + BigInt(entry));
      return { train: at(train), evaluate: at(evaluate), predict: at(predict) };
    };
    bytes += code.bytes.length;
    return {
      entries: each((address) => address),
      functions: each((address) => memory.function(address)),
      scratchBytes: code.scratchBytes,
      pages,
      byteLength: code.bytes.length,
      holders: 0,
    };
  };
  const evict = (): void => {
    // A map is in order of insertion: the last used comes last.
    for (const [key, entry] of entries) {
      if (bytes <= bytesMax) break;
      if (entry.holders > 0) continue;
      entries.delete(key);
      bytes -= entry.byteLength;
      entry.pages.free();
    }
  };

  return {
    hold(plan, threaded) {
      const key = `${threaded} ${planContent(plan)}`;
      const entry = entries.get(key) ?? load(plan, threaded);
      entries.delete(key);
      entries.set(key, entry);
      entry.holders++;
      evict();
      let held = true;
      return {
        entries: entry.entries,
        functions: entry.functions,
        scratchBytes: entry.scratchBytes,
        release() {
          if (!held) return;
          held = false;
          entry.holders--;
          evict();
        },
      };
    },
    get bytes() {
      return bytes;
    },
  };
}
