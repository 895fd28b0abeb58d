import { defineFamily } from '../family.ts';
import { random } from './random.ts';
import { stratified } from './stratified.ts';

export const splits = defineFamily('split', 'Split', [random, stratified]);
