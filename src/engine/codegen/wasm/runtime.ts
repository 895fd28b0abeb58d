/** What is used of the WebAssembly JavaScript interface. TypeScript declares it with the DOM only, which is not here. */

export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

interface WasmRuntime {
  readonly Memory: new (size: { initial: number; maximum: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: WasmMemory } },
  ) => { readonly exports: Readonly<Record<string, unknown>> };
}

export const { Memory, Module, Instance } = (globalThis as unknown as { readonly WebAssembly: WasmRuntime })
  .WebAssembly;
