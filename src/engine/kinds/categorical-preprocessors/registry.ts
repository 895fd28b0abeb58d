import { defineFamily } from '../family.ts';
import { oneHot } from './one-hot.ts';

export const categoricalPreprocessors = defineFamily('categoricalPreprocessor', 'CategoricalPreprocessor', [
  oneHot,
]);
