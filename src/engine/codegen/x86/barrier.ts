/**
 * Where threads meet. Everyone adds one to a shared counter and waits until all have: first spinning, then giving its
 * turn away through the kernel. A thread that nobody comes to meet gives up, and so does every other: by a shared word,
 * which anyone may set, or because it has waited for too long. V8 cannot end a thread inside native code.
 */
import type { Label, Mem } from './operands.ts';
import { at, r8, r9, r10, rax, rcx, rdx } from './operands.ts';
import type { Target } from './target.ts';

/** Bytes from the start of the shared block: 32-bit words on cache lines of their own. */
export const SYNC = { arrived: 0, abort: 64, bytes: 128 } as const;

const SPINS = 20_000;
const SPINS_BETWEEN_YIELDS = 200;
/** In units of 2³² ticks of the time-stamp counter: around a minute. */
const PATIENCE = 48;
const SCHED_YIELD = 24;

/** A function that returns when all have called it. `expected`: a word of the frame, at first 0. */
export function emitBarrier(
  { asm, step, abort }: Target,
  at_: { readonly label: Label; readonly sync: Mem; readonly expected: Mem; readonly yields: boolean },
): void {
  const spin = asm.label();
  const done = asm.label();
  const started = asm.label();
  const resume = asm.label();
  asm.align(32);
  asm.bind(at_.label);
  asm.mov(r9, at_.expected);
  asm.op('add', r9, step.threads);
  asm.mov(at_.expected, r9);
  asm.mov(r8, at_.sync);
  asm.movImmediate(rax, 1);
  asm.lockXadd32(at(r8, SYNC.arrived), rax);
  asm.op32('xor', r10, r10);
  asm.movImmediate(rcx, SPINS);
  asm.bind(spin);
  asm.mov32(rax, at(r8, SYNC.arrived));
  asm.op32('sub', rax, r9);
  asm.jcc('ns', done);
  asm.op32Immediate('cmp', at(r8, SYNC.abort), 0);
  asm.jcc('ne', abort);
  asm.pause();
  asm.opImmediate('sub', rcx, 1);
  asm.jcc('ne', spin);
  // Since when, and how long.
  asm.rdtsc();
  asm.shift('shl', rdx, 32);
  asm.op('or', rax, rdx);
  asm.test(r10, r10);
  asm.jcc('ne', started);
  asm.mov(r10, rax);
  asm.bind(started);
  asm.op('sub', rax, r10);
  asm.shift('shr', rax, 32);
  asm.opImmediate('cmp', rax, PATIENCE);
  asm.jcc('b', resume);
  asm.movImmediate(rax, 1);
  asm.mov32(at(r8, SYNC.abort), rax);
  asm.jmp(abort);
  asm.bind(resume);
  if (at_.yields) {
    // Clobbers rcx and r11.
    asm.movImmediate(rax, SCHED_YIELD);
    asm.syscall();
  }
  asm.movImmediate(rcx, SPINS_BETWEEN_YIELDS);
  asm.jmp(spin);
  asm.bind(done);
  asm.ret();
}
