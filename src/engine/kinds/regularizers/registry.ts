import { defineFamily } from '../family.ts';
import { l2 } from './l2.ts';

export const regularizers = defineFamily('regularizer', 'Regularizer', [l2]);
