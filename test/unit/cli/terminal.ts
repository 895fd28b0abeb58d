// A made-up terminal: remembers what was written, presses keys when asked to.
import type { Terminal } from '../../../src/cli/terminal.ts';

export interface FakeTerminal extends Terminal {
  /** Standard output so far. */
  readonly written: () => string;
  /** Standard error so far. */
  readonly noted: () => string;
  interrupt(): void;
  press(key: string | null): void;
}

export function fakeTerminal(
  options: Partial<Pick<Terminal, 'live' | 'canAsk' | 'columns'>> = {},
): FakeTerminal {
  let written = '';
  let noted = '';
  const listeners = new Set<() => void>();
  const waiting: ((key: string | null) => void)[] = [];
  return {
    live: false,
    canAsk: false,
    unicode: true,
    columns: 80,
    ...options,
    write: (text) => {
      written += text;
    },
    writeBytes: (bytes) => {
      written += new TextDecoder().decode(bytes);
    },
    note: (text) => {
      noted += text;
    },
    onInterrupt(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    readKey: () => new Promise((resolve) => waiting.push(resolve)),
    written: () => written,
    noted: () => noted,
    interrupt: () => {
      for (const listener of listeners) listener();
    },
    press: (key) => waiting.shift()?.(key),
  };
}
