/** What is wrong with a spec or a row, said so that it can be put right: where, what value, what would do. */
export interface SpecIssue {
  /** A JSON pointer as a URI fragment (RFC 6901 §6), e.g. `#/model/layers/0/units`. */
  readonly pointer: string;
  readonly detail: string;
}

/** The JSON pointer, as a URI fragment, of a path into a document. */
export function pointerTo(path: readonly PropertyKey[]): string {
  return `#${path.map((key) => `/${escapeKey(String(key))}`).join('')}`;
}

// encodeURIComponent refuses lone surrogates, which JSON can carry; characters legal in a fragment stay readable.
function escapeKey(key: string): string {
  const escaped = key
    .replaceAll('~', '~0')
    .replaceAll('/', '~1')
    .replace(/\p{Surrogate}/gu, '\ufffd');
  return encodeURIComponent(escaped).replace(/%(24|26|2B|2C|3A|3B|3D|3F|40)/g, decodeURIComponent);
}

const QUOTED_MAX = 60;

/** A value from outside as it may stand in a message: quoted, escaped and cut to a readable length. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= QUOTED_MAX ? text : `${text.slice(0, QUOTED_MAX)}…`;
}

/** Up to `shown` words in quotes, and how many more there are. */
export function listWords(words: readonly string[], shown = 10): string {
  const head = words.slice(0, shown).map(quote).join(', ');
  return words.length > shown ? `${head} and ${words.length - shown} more` : head;
}

const COMPARED_MAX = 64;

/** The candidate nearest to a mistyped word, where one is near enough to be meant: about a third of it differs. */
export function didYouMean(word: string, candidates: readonly string[]): string | null {
  if (word.length === 0 || word.length > COMPARED_MAX) return null;
  const folded = word.toLowerCase();
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(folded, candidate.toLowerCase());
    if (distance < bestDistance && distance < Math.max(word.length, candidate.length)) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** ` (did you mean "x"?)`, or nothing. */
export function suggestion(word: string, candidates: readonly string[]): string {
  const meant = didYouMean(word, candidates);
  return meant === null ? '' : ` (did you mean ${quote(meant)}?)`;
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let d = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        d = Math.min(d, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(d);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
