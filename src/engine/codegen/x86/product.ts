/** A matrix product being made: what its tiles, rows and sums share. */
import type { BufferInfo, GemmKernel, View } from '../../kernels.ts';
import type { LaneProgram } from '../../linearize.ts';
import type { LaneEmitter } from './lane-emitter.ts';
import type { Gp, Mem } from './operands.ts';
import { rcx, rdx } from './operands.ts';
import type { Target } from './target.ts';

/** The current element of A and row of B, where they are walked through. */
export const A: Gp = rcx;
export const B: Gp = rdx;

export interface Product {
  readonly target: Target;
  readonly kernel: GemmKernel;
  readonly program: LaneProgram;
  readonly lanes: LaneEmitter;
  readonly a: BufferInfo;
  readonly b: BufferInfo;
  /** Where B's blocks lie: bytes from one row to the next, and from one block of a group to the next. */
  readonly bLine: number;
  readonly bBlock: number;
  /** Steps of the sum: known, or in a word of the frame. */
  readonly k: number | Mem;
  /** Rows that matrices of the output's shape have room for. */
  readonly outRows: number;
  /** Without it, every matrix lies like the output's own rows. */
  readonly lay?: Lay;
}

/** Bytes from one row of a tile to the next, and from one block to the next. */
export type Lay = (b: BufferInfo, view: View | undefined) => { readonly row: number; readonly block: number };
