import { defineFamily } from '../family.ts';
import { adam } from './adam.ts';
import { momentum } from './momentum.ts';
import { sgd } from './sgd.ts';

export const optimizers = defineFamily('optimizer', 'Optimizer', [sgd, momentum, adam]);
