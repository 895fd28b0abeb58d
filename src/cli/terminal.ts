// The one place that touches the process's streams, keys and signals, so that commands can be
// tried against a made-up terminal.

export interface Terminal {
  /** Results: what a pipe should receive. */
  write(text: string): void;
  writeBytes(bytes: Uint8Array): void;
  /** Talk around the results: progress, hints, errors. */
  note(text: string): void;
  /** True when progress may be redrawn in place. */
  readonly live: boolean;
  /** True when a question can be asked and answered. */
  readonly canAsk: boolean;
  readonly unicode: boolean;
  readonly columns: number;
  /** Calls back on Ctrl-C or a request to end, instead of ending; returns how to let go. */
  onInterrupt(listener: () => void): () => void;
  /** Waits for one key, lower case; Ctrl-C answers `null`. */
  readKey(): Promise<string | null>;
}

interface Locale {
  readonly [name: string]: string | undefined;
}

/** The terminal of this process. Progress and questions go to standard error. */
export function processTerminal(locale: Locale): Terminal {
  const { stdin, stdout, stderr } = process;
  const encoding = locale.LC_ALL || locale.LC_CTYPE || locale.LANG || '';
  return {
    write: (text) => void stdout.write(text),
    writeBytes: (bytes) => void stdout.write(bytes),
    note: (text) => void stderr.write(text),
    live: stderr.isTTY === true && locale.TERM !== 'dumb',
    canAsk: stdin.isTTY === true && stderr.isTTY === true,
    unicode: process.platform === 'win32' || /utf-?8/i.test(encoding),
    get columns() {
      return stderr.columns || 80;
    },
    onInterrupt(listener) {
      process.on('SIGINT', listener);
      process.on('SIGTERM', listener);
      return () => {
        process.off('SIGINT', listener);
        process.off('SIGTERM', listener);
      };
    },
    readKey: () =>
      new Promise((resolve) => {
        stdin.setRawMode(true);
        stdin.resume();
        stdin.once('data', (bytes: Buffer) => {
          stdin.setRawMode(false);
          stdin.pause();
          const key = bytes.toString('utf8').toLowerCase();
          resolve(key === '\u0003' ? null : key);
        });
      }),
  };
}
