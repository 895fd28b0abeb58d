import { defineFamily } from '../family.ts';
import { constant } from './constant.ts';
import { heNormal } from './he-normal.ts';
import { xavierUniform } from './xavier-uniform.ts';
import { zeros } from './zeros.ts';

export const initializers = defineFamily('initializer', 'Initializer', [
  zeros,
  constant,
  xavierUniform,
  heNormal,
]);
