import { defineFamily } from '../family.ts';
import { binaryCrossEntropy } from './binary-cross-entropy.ts';
import { crossEntropy } from './cross-entropy.ts';
import { meanSquaredError } from './mean-squared-error.ts';

export const losses = defineFamily('loss', 'Loss', [meanSquaredError, crossEntropy, binaryCrossEntropy]);
