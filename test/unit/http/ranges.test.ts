import { describe, expect, it } from 'vitest';
import { answerRange } from '../../../src/http/ranges.ts';

const none = { range: undefined, ifRange: undefined, ifNoneMatch: undefined };
const etag = '"abc"';

describe('answerRange', () => {
  it.each([
    ['bytes=0-0', 0, 1],
    ['bytes=0-', 0, 100],
    ['bytes=10-19', 10, 20],
    ['bytes=90-1000', 90, 100],
    ['bytes=-10', 90, 100],
    ['bytes=-1000', 0, 100],
    ['Bytes= 1-2', 1, 3],
  ])('%s of 100 bytes is [%i, %i)', (range, start, end) => {
    expect(answerRange({ ...none, range }, etag, 100)).toEqual({ kind: 'partial', start, end });
  });

  it.each(['bytes=100-', 'bytes=-0', 'bytes=999-1000'])('%s of 100 bytes cannot be satisfied', (range) => {
    expect(answerRange({ ...none, range }, etag, 100)).toEqual({ kind: 'unsatisfiable' });
  });

  it.each(['lines=1-2', 'bytes=5-3', 'bytes=-', 'bytes=0-1,5-6', 'bytes=a-b', ''])(
    '%j is answered with everything',
    (range) => {
      expect(answerRange({ ...none, range }, etag, 100)).toEqual({ kind: 'whole' });
    },
  );

  it('honours If-Range strongly and If-None-Match weakly', () => {
    const range = 'bytes=0-1';
    expect(answerRange({ ...none, range, ifRange: etag }, etag, 9).kind).toBe('partial');
    expect(answerRange({ ...none, range, ifRange: `W/${etag}` }, etag, 9).kind).toBe('whole');
    expect(answerRange({ ...none, range, ifNoneMatch: `"x", W/${etag}` }, etag, 9).kind).toBe('notModified');
    expect(answerRange({ ...none, ifNoneMatch: '*' }, etag, 9).kind).toBe('notModified');
    expect(answerRange({ ...none, ifNoneMatch: '"x"' }, etag, 9).kind).toBe('whole');
  });
});
