/** Registers and memory operands of x86-64. Registers are their numbers. */

export type Gp = number;
/** xmm, ymm or zmm, whichever the instruction's length says. */
export type Vec = number;

export const rax: Gp = 0;
export const rcx: Gp = 1;
export const rdx: Gp = 2;
export const rbx: Gp = 3;
export const rsp: Gp = 4;
export const rbp: Gp = 5;
export const rsi: Gp = 6;
export const rdi: Gp = 7;
export const r8: Gp = 8;
export const r9: Gp = 9;
export const r10: Gp = 10;
export const r11: Gp = 11;
export const r12: Gp = 12;
export const r13: Gp = 13;
export const r14: Gp = 14;
export const r15: Gp = 15;

/** A place in the code: bound once, referred to before or after. */
export interface Label {
  position: number;
}

/** [base + index · scale + disp], or [label + disp] relative to the instruction. */
export interface Mem {
  readonly base: Gp | Label;
  readonly index?: Gp;
  readonly scale?: 1 | 2 | 4 | 8;
  readonly disp: number;
}

export const at = (base: Gp | Label, disp = 0): Mem => ({ base, disp });
export const indexed = (base: Gp, index: Gp, scale: 1 | 2 | 4 | 8, disp = 0): Mem => ({
  base,
  index,
  scale,
  disp,
});
export const offset = (m: Mem, by: number): Mem => (by === 0 ? m : { ...m, disp: m.disp + by });

export const isMem = (o: number | Mem): o is Mem => typeof o !== 'number';
