import { defineFamily } from '../family.ts';
import { dense } from './dense.ts';

export const layers = defineFamily('layer', 'Layer', [dense]);
