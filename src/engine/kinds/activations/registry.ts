import { defineFamily } from '../family.ts';
import { linear } from './linear.ts';
import { relu } from './relu.ts';
import { sigmoid } from './sigmoid.ts';
import { softmax } from './softmax.ts';
import { tanh } from './tanh.ts';

export const activations = defineFamily('activation', 'Activation', [linear, sigmoid, tanh, relu, softmax]);
