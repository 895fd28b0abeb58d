// What several runs use and one of them makes: whoever comes first makes it, the others wait for it. What is in use
// stays; of the rest the least recently used goes when there is too much.

/** One user's part of an entry. */
export interface Share<T> {
  /** Null: this user has to make it, or let go; or has let go. */
  readonly value: T | null;
  /** Gives others what this user has made. */
  made(value: T, byteLength: number): void;
  /** Once is enough; if nothing was made the next one in line has to. */
  release(): void;
}

export interface AcquireOptions {
  readonly expectedBytes?: number;
  readonly signal?: AbortSignal;
}

export interface SharedCache<T> {
  /**
   * Waits while another user is making it; rejects with the signal's reason once that aborts. Where it has to be made,
   * room for the expected bytes is made first.
   */
  acquire(key: string, options?: AcquireOptions): Promise<Share<T>>;
}

interface Entry<T> {
  value: T | null;
  byteLength: number;
  users: number;
  /** Resolves when it is made, or given up. */
  readonly settled: Promise<void>;
  readonly settle: () => void;
}

export function createSharedCache<T>(bytesMax: number): SharedCache<T> {
  // In order of use, the last used last.
  const entries = new Map<string, Entry<T>>();

  const trim = (): void => {
    let total = 0;
    for (const { byteLength } of entries.values()) {
      total += byteLength;
    }
    for (const [key, { value, users, byteLength }] of entries) {
      if (total <= bytesMax) {
        return;
      }
      if (value !== null && users === 0) {
        entries.delete(key);
        total -= byteLength;
      }
    }
  };

  const shareOf = (key: string, entry: Entry<T>): Share<T> => {
    // Nothing once it is released: a share may outlive what it was a share of.
    let held: Entry<T> | null = entry;
    return {
      get value() {
        return held?.value ?? null;
      },
      made: (value, byteLength) => {
        if (held === null) {
          return;
        }
        held.value = value;
        held.byteLength = byteLength;
        held.settle();
        trim();
      },
      release: () => {
        if (held === null) {
          return;
        }
        held.users--;
        if (held.value === null) {
          entries.delete(key);
          held.settle();
        }
        held = null;
        trim();
      },
    };
  };

  return {
    acquire: async (key, { expectedBytes = 0, signal } = {}) => {
      for (;;) {
        signal?.throwIfAborted();
        const entry = entries.get(key);
        if (entry === undefined) {
          const fresh = createEntry<T>(expectedBytes);
          entries.set(key, fresh);
          trim();
          return shareOf(key, fresh);
        }
        if (entry.value !== null) {
          entry.users++;
          entries.delete(key);
          entries.set(key, entry);
          return shareOf(key, entry);
        }
        await settledOrAborted(entry.settled, signal);
      }
    },
  };
}

function createEntry<T>(byteLength: number): Entry<T> {
  let settle: () => void = () => undefined;
  const settled = new Promise<void>((resolve) => {
    settle = resolve;
  });
  return { value: null, byteLength, users: 1, settled, settle };
}

async function settledOrAborted(settled: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return settled;
  const done = new AbortController();
  const aborted = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true, signal: done.signal });
  });
  await Promise.race([settled, aborted]);
  done.abort();
}
