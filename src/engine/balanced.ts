/** Joins values half by half, in their order: a chain of a thousand would be deeper than expressions may be. */
export function balanced<T>(parts: readonly T[], join: (left: T, right: T) => T): T {
  const [only] = parts;
  if (only === undefined) throw new RangeError('nothing to join');
  if (parts.length === 1) return only;
  const middle = Math.ceil(parts.length / 2);
  return join(balanced(parts.slice(0, middle), join), balanced(parts.slice(middle), join));
}
