import { it } from 'vitest';
import { expectPinnedDigits } from '../unit/engine/pinned-digits.ts';

// The interpreter evaluates every operation by itself: half a minute.
it('digits ends with the pinned bits on the interpreter', { timeout: 300_000 }, () =>
  expectPinnedDigits('interpreter'),
);
