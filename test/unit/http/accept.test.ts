import { describe, expect, it } from 'vitest';
import { negotiate } from '../../../src/http/accept.ts';

const offers = ['application/json', 'text/csv'] as const;

describe('negotiate', () => {
  it.each([
    [undefined, 'application/json'],
    ['*/*', 'application/json'],
    ['text/csv', 'text/csv'],
    ['text/*', 'text/csv'],
    ['text/csv;q=0.5, application/json;q=0.4', 'text/csv'],
    ['application/json;q=0, */*', 'text/csv'],
    ['TEXT/CSV', 'text/csv'],
    ['image/png', null],
    ['application/json;q=nonsense', null],
  ])('%j → %j', (accept, type) => {
    expect(negotiate(accept, offers)).toBe(type);
  });
});
