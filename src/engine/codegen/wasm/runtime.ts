/** What is used of the WebAssembly JavaScript interface. TypeScript declares it with the DOM only, which is not here. */

/** Shared between threads; views made before it grew stay valid. */
export interface WasmMemory {
  readonly buffer: SharedArrayBuffer;
  /** Returns the number of pages before. */
  grow(pages: number): number;
}

/** Can be sent to other threads, as memories can. */
export type WasmModule = object;

interface WasmRuntime {
  readonly Memory: new (size: { initial: number; maximum: number; shared: true }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => WasmModule;
  readonly Instance: new (
    module: WasmModule,
    imports: { readonly env: { readonly memory: WasmMemory } },
  ) => { readonly exports: Readonly<Record<string, unknown>> };
}

export const { Memory, Module, Instance } = (globalThis as unknown as { readonly WebAssembly: WasmRuntime })
  .WebAssembly;

export const PAGE_BYTES = 65536;
/** 4 GiB. */
export const PAGES_MAX = 65536;
