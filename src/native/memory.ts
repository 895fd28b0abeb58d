/** Memory from the operating system, by way of koffi: pages to compute in, and code that is never writable and executable at once. */
import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';
import { OutOfMemoryError } from '../engine/out-of-memory.ts';

type KoffiModule = typeof Koffi;

const PROT_NONE = 0;
const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS: Readonly<Partial<Record<NodeJS.Platform, number>>> = { linux: 0x20, darwin: 0x1000 };
const MAP_FAILED = 2n ** 64n - 1n;

export interface Pages {
  readonly address: bigint;
  /** Invalid once freed. */
  readonly bytes: ArrayBuffer;
  free(): void;
}

/** A function of up to three integers or addresses. */
export type NativeFunction = (a: number | bigint, b: number | bigint, c: number | bigint) => number;

export interface NativeMemory {
  /** Zeroed, from a page's start. */
  allocate(byteLength: number): Pages;
  /** Whatever touches these pages from now on is a fault. */
  forbid(pages: Pages, from: number, byteLength: number): void;
  /** Copies code to pages that are then read-only and executable. */
  load(code: Uint8Array): Pages;
  function(address: bigint): NativeFunction;
  /** Where a typed array's bytes lie: they do not move. */
  addressOf(values: Float32Array | Uint8Array): bigint;
  writeInt32(address: bigint, value: number): void;
}

/** Throws an Error that says in one line what is missing. */
export function openMemory(): NativeMemory {
  const anonymous = MAP_ANONYMOUS[process.platform];
  if (anonymous === undefined) throw new Error(`no native code on ${process.platform}`);
  const koffi = loadKoffi();
  const lib = koffi.load(null);
  const mmap = lib.func(
    'void *mmap(void *address, size_t length, int prot, int flags, int fd, int64_t offset)',
  );
  const mprotect = lib.func('int mprotect(void *address, size_t length, int prot)');
  const munmap = lib.func('int munmap(void *address, size_t length)');
  const signature = koffi.proto('int64_t (int64_t, int64_t, int64_t)');

  const allocate = (byteLength: number): Pages => {
    const length = Math.max(byteLength, 1);
    const address = mmap(null, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | anonymous, -1, 0) as
      | bigint
      | null;
    if (address === null || address === MAP_FAILED)
      throw new OutOfMemoryError(`${length} bytes of memory were refused`);
    let freed = false;
    return {
      address,
      bytes: koffi.view(address, length),
      free() {
        if (!freed) munmap(address, length);
        freed = true;
      },
    };
  };
  const protect = (address: bigint, length: number, prot: number): void => {
    if (mprotect(address, length, prot) !== 0)
      throw new Error('the system refuses to make memory executable');
  };
  return {
    allocate,
    forbid: (pages, from, byteLength) => protect(pages.address + BigInt(from), byteLength, PROT_NONE),
    load(code) {
      const pages = allocate(code.length);
      new Uint8Array(pages.bytes).set(code);
      try {
        protect(pages.address, code.length, PROT_READ | PROT_EXEC);
      } catch (refused) {
        pages.free();
        throw refused;
      }
      return pages;
    },
    function(address) {
      const call = koffi.decode(address, signature) as NativeFunction;
      return (a, b, c) => Number(call(a, b, c));
    },
    addressOf: (values) => koffi.address(values),
    writeInt32: (address, value) => koffi.encode(address, 'int32_t', value),
  };
}

function loadKoffi(): KoffiModule {
  try {
    return createRequire(import.meta.url)('koffi') as KoffiModule;
  } catch (error) {
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw new Error(`koffi cannot be loaded: ${why}`);
  }
}
