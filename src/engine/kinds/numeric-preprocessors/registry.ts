import { defineFamily } from '../family.ts';
import { none } from './none.ts';
import { standardize } from './standardize.ts';

export const numericPreprocessors = defineFamily('numericPreprocessor', 'NumericPreprocessor', [
  standardize,
  none,
]);
