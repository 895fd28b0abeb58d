/** The loops that kernels are made of. */
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
