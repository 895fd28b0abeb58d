import { defineFamily } from '../family.ts';
import { constant } from './constant.ts';
import { exponential } from './exponential.ts';

export const schedules = defineFamily('schedule', 'Schedule', [constant, exponential]);
