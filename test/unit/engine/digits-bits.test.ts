import { it } from 'vitest';
import { expectPinnedDigits } from './pinned-digits.ts';

it('digits ends with the pinned bits on the wasm', () => expectPinnedDigits('wasm'));
