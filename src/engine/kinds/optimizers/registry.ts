import { defineFamily } from '../family.ts';
import { adam } from './adam.ts';
import { adamw } from './adamw.ts';
import { momentum } from './momentum.ts';
import { nesterov } from './nesterov.ts';
import { sgd } from './sgd.ts';

export const optimizers = defineFamily('optimizer', 'Optimizer', [sgd, momentum, nesterov, adam, adamw]);
