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

export interface SharedCache<T> {
  /** Waits while another user is making it. Where it has to be made, room for the expected bytes is made first. */
  acquire(key: string, expectedBytes?: number): Promise<Share<T>>;
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
    acquire: async (key, expectedBytes = 0) => {
      for (;;) {
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
        await entry.settled;
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
