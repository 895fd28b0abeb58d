/** A kernel's expressions as straight-line code, made once. */
import type { GemmKernel, MapKernel } from '../kernels.ts';
import type { LaneProgram } from '../linearize.ts';
import { linearize } from '../linearize.ts';

const programs = new WeakMap<MapKernel | GemmKernel, LaneProgram>();

export function laneProgramOf(kernel: MapKernel | GemmKernel): LaneProgram {
  const known = programs.get(kernel) ?? linearize(kernel.stores.map((s) => s.expr));
  programs.set(kernel, known);
  return known;
}
