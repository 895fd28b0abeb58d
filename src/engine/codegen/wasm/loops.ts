/** The loops that kernels are made of. */
import type { Amount } from './amount.ts';
import type { Code, Local } from './assembler.ts';

/** Adds a constant to an i32 local. */
export function advance(code: Code, local: Local, by: number): void {
  if (by === 0) return;
  code.get(local);
  code.i32(by);
  code.op('i32.add');
  code.set(local);
}

/** counter = `from`; while counter < limit: body, counter += by. The limit is pushed anew each time. */
export function countUp(
  code: Code,
  counter: Local,
  at: { readonly from?: number; readonly by: number; readonly limit: () => void },
  body: () => void,
): void {
  if (at.from !== undefined) {
    code.i32(at.from);
    code.set(counter);
  }
  code.block(() => {
    code.loop(() => {
      code.get(counter);
      at.limit();
      code.op('i32.ge_u');
      code.brIf(1);
      body();
      advance(code, counter, at.by);
      code.br(0);
    });
  });
}

/** While there are as many left: the body, for so many. */
export function countDown(code: Code, left: Local, by: number, body: () => void): void {
  code.block(() => {
    code.loop(() => {
      code.get(left);
      code.i32(by);
      code.op('i32.lt_u');
      code.brIf(1);
      body();
      advance(code, left, -by);
      code.br(0);
    });
  });
}

/** The body, a fixed number of times. */
export function repeat(code: Code, times: number, body: () => void): void {
  if (times === 1) body();
  if (times <= 1) return;
  const left = code.local('i32');
  code.i32(times);
  code.set(left);
  code.loop(() => {
    body();
    code.get(left);
    code.i32(1);
    code.op('i32.sub');
    code.tee(left);
    code.brIf(0);
  });
}

/** The body, as often as the amount says. */
export function repeatAmount(code: Code, amount: Amount, body: () => void): void {
  if (amount.fixed !== null) repeat(code, amount.fixed, body);
  else countUp(code, code.local('i32'), { from: 0, by: 1, limit: () => amount.push() }, body);
}

/** Vectors whose expressions are computed side by side: V8 interleaves what is in one block of straight code. */
export const VECTORS_PER_BLOCK = 2;

/**
 * Runs the body in a block of its own, with a way to end straight code within it: V8 moves loads to the front of such
 * code, and values before it computes with them, until there are more than registers. `address` is any address.
 */
export function inBlocks(code: Code, address: Local, body: (endBlock: () => void) => void): void {
  let ends = 0;
  code.block(() => {
    const inside = code.depth;
    body(() => {
      // Never taken, since an address is even, but the compiler does not know. With the same number twice it would.
      code.get(address);
      code.i32(2 * ends++ + 1);
      code.op('i32.eq');
      code.brIf(code.depth - inside);
    });
  });
}
