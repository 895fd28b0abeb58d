/**
 * Memory in which whatever lies beside a buffer is forbidden: an access outside the plan's buffers ends the process.
 * Buffers end with a page, or start with one, so that both kinds of overrun meet the end of their pages.
 */
import koffi from 'koffi';
import type { Plan } from '../../../src/engine/kernels.ts';
import type { NativeMemory, Pages } from '../../../src/native/memory.ts';

export type Side = 'start' | 'end';

export const PAGE_BYTES = 4096;
const pagesFor = (bytes: number): number => Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;

interface Gap {
  readonly from: number;
  readonly bytes: number;
}

/** The plan with every buffer on pages of its own, and the pages between them. */
export function spaced(plan: Plan, side: Side): { readonly plan: Plan; readonly gaps: readonly Gap[] } {
  const gaps: Gap[] = [];
  let end = 0;
  const gap = (): void => {
    gaps.push({ from: end, bytes: PAGE_BYTES });
    end += PAGE_BYTES;
  };
  gap();
  const buffers = plan.buffers.map((b) => {
    const bytes = pagesFor(b.byteLength);
    const offset = side === 'start' ? end : end + bytes - b.byteLength;
    end += bytes;
    gap();
    return { ...b, offset };
  });
  return { plan: { ...plan, buffers, arenaBytes: end }, gaps };
}

/** Allocations end with a page (tables) or start with one, with forbidden pages around; gaps are those of an arena. */
export function guarded(
  memory: NativeMemory,
  side: Side,
  arena: { readonly bytes: number; readonly gaps: readonly Gap[] },
): NativeMemory {
  return {
    ...memory,
    allocate(byteLength): Pages {
      const inner = pagesFor(Math.max(byteLength, 1));
      const pages = memory.allocate(inner + 2 * PAGE_BYTES);
      const isArena = byteLength > arena.bytes;
      const from = PAGE_BYTES + (side === 'start' || isArena ? 0 : inner - byteLength);
      memory.forbid(pages, 0, PAGE_BYTES);
      memory.forbid(pages, PAGE_BYTES + inner, PAGE_BYTES);
      if (isArena) for (const gap of arena.gaps) memory.forbid(pages, PAGE_BYTES + gap.from, gap.bytes);
      const address = pages.address + BigInt(from);
      return { address, bytes: koffi.view(address, Math.max(byteLength, 1)), free: pages.free };
    },
  };
}
