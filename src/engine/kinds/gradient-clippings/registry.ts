import { defineFamily } from '../family.ts';
import { norm } from './norm.ts';

export const gradientClippings = defineFamily('gradientClipping', 'GradientClipping', [norm]);
