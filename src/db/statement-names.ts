// Names under which statements are kept prepared: the same text is parsed and planned once for each connection.

const namesMax = 200;

/** Texts beyond the first `namesMax` have none. */
export function createStatementNames(): (text: string) => string | undefined {
  const names = new Map<string, string>();
  return (text) => {
    const known = names.get(text);
    if (known !== undefined || names.size >= namesMax) return known;
    const name = `s${names.size}`;
    names.set(text, name);
    return name;
  };
}
