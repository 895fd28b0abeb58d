import { defineFamily } from '../family.ts';
import { accuracy } from './accuracy.ts';
import { meanAbsoluteError } from './mean-absolute-error.ts';

export const metrics = defineFamily('metric', 'Metric', [accuracy, meanAbsoluteError]);
