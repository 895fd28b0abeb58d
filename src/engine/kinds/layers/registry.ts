import { defineFamily } from '../family.ts';
import { activation } from './activation.ts';
import { add } from './add.ts';
import { avgPool2d } from './avg-pool2d.ts';
import { batchNorm } from './batch-norm.ts';
import { concat } from './concat.ts';
import { conv2d } from './conv2d.ts';
import { dense } from './dense.ts';
import { dropout } from './dropout.ts';
import { flatten } from './flatten.ts';
import { layerNorm } from './layer-norm.ts';
import { maxPool2d } from './max-pool2d.ts';
import { reshape } from './reshape.ts';

export const layers = defineFamily('layer', 'Layer', [
  dense,
  conv2d,
  maxPool2d,
  avgPool2d,
  reshape,
  flatten,
  batchNorm,
  layerNorm,
  dropout,
  activation,
  add,
  concat,
]);
