// Conditional and partial answers for one immutable body (RFC 9110 §13, §14). One range is served; several in
// one request get the whole body, as the RFC allows.

export type RangeAnswer =
  | { readonly kind: 'whole' }
  | { readonly kind: 'notModified' }
  | { readonly kind: 'partial'; readonly start: number; readonly end: number }
  | { readonly kind: 'unsatisfiable' };

interface Conditions {
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly ifNoneMatch: string | undefined;
}

/** `etag` is strong and quoted. `end` is exclusive. */
export function answerRange(conditions: Conditions, etag: string, byteLength: number): RangeAnswer {
  if (conditions.ifNoneMatch !== undefined && matches(conditions.ifNoneMatch, etag))
    return { kind: 'notModified' };
  // If-Range compares strongly; a date can never be one of ours.
  if (conditions.ifRange !== undefined && conditions.ifRange !== etag) return { kind: 'whole' };
  const parts = /^bytes=(\d*)-(\d*)$/i.exec(conditions.range?.replaceAll(' ', '') ?? '');
  const [, first = '', last = ''] = parts ?? [];
  if (first === '' && last === '') return { kind: 'whole' };
  if (first === '') {
    const suffix = Number(last);
    if (suffix === 0 || byteLength === 0) return { kind: 'unsatisfiable' };
    return { kind: 'partial', start: Math.max(0, byteLength - suffix), end: byteLength };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return { kind: 'whole' };
  if (start >= byteLength) return { kind: 'unsatisfiable' };
  return { kind: 'partial', start, end: last === '' ? byteLength : Math.min(byteLength, Number(last) + 1) };
}

/** If-None-Match compares weakly. */
function matches(header: string, etag: string): boolean {
  if (header.trim() === '*') return true;
  return header.split(',').some((candidate) => candidate.trim().replace(/^W\//, '') === etag);
}
