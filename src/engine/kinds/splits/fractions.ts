/** The fractions of a split, and how many rows they come to. */
import { z } from 'zod';
import type { Part } from '../kind.ts';

export const fraction = z.number().gte(0).lt(1);

export interface Fractions {
  readonly validation: number;
  readonly test: number;
}

export const leavesTraining = ({ validation, test }: Fractions): boolean => validation + test < 1;
export const leavesTrainingIssue = {
  error: 'validation and test must sum to less than 1',
  path: ['validation'],
};

/**
 * Rows of each part: fractions of all rows, rounded half up; training has the rest, which may be nothing when there
 * are very few rows. Every split keeps to these numbers.
 */
export function partSizes(rows: number, { validation, test }: Fractions): Readonly<Record<Part, number>> {
  const share = (part: number): number => Math.floor(part * rows + 0.5);
  const sizes = { validation: share(validation), test: Math.min(share(test), rows - share(validation)) };
  return { ...sizes, training: rows - sizes.validation - sizes.test };
}
