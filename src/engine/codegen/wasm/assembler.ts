/**
 * Encodes WebAssembly modules (binary format 1, with fixed-width SIMD and threads): an imported, shared memory, mutable i32 globals,
 * functions of i32 parameters without results. Nothing is checked here: the engine that compiles the module does that.
 */
import type { AtomicOp, MemoryOp, PlainOp } from './opcodes.ts';
import {
  ATOMIC_PREFIX,
  atomicOps,
  isSimd,
  memoryOps,
  plainOps,
  SIMD_PREFIX,
  simdNumber,
  structure,
} from './opcodes.ts';
import { PAGES_MAX } from './runtime.ts';

export type ValueType = 'i32' | 'v128';
export type Local = number & { readonly local: unique symbol };
export type Global = number & { readonly global: unique symbol };
export type Func = number & { readonly func: unique symbol };

const VALUE_TYPES: Readonly<Record<ValueType, number>> = { i32: 0x7f, v128: 0x7b };

export interface Code {
  readonly parameters: readonly Local[];
  /** Its value is anything until it is set. */
  local(type: ValueType): Local;
  /** Locals that the body takes are free again after it. */
  scope(body: () => void): void;
  get(local: Local): void;
  set(local: Local): void;
  tee(local: Local): void;
  getGlobal(global: Global): void;
  setGlobal(global: Global): void;
  /** Constants: a signed or unsigned 32-bit number; a whole number; four 32-bit lanes as bits. */
  i32(value: number): void;
  i64(value: number): void;
  v128(lanes: readonly [number, number, number, number]): void;
  op(name: PlainOp): void;
  memory(name: MemoryOp, offset: number): void;
  /** The same for a word that threads share; its address is a multiple of 4. */
  atomic(name: AtomicOp, offset: number): void;
  /** Lanes 0–3 come from the first operand, 4–7 from the second. */
  shuffle(lanes: readonly [number, number, number, number]): void;
  /** f32 lane 0. */
  first(): void;
  block(body: () => void): void;
  loop(body: () => void): void;
  /** How many blocks and loops are open; `depth − d` leads out of what was opened at depth d. */
  readonly depth: number;
  br(depth: number): void;
  brIf(depth: number): void;
  call(func: Func): void;
}

export interface ModuleBuilder {
  global(): Global;
  /** Declares and fills a function of `parameterCount` i32 parameters. */
  func(parameterCount: number, body: (code: Code) => void, exportAs?: string): Func;
  encode(): Uint8Array<ArrayBuffer>;
}

type Bytes = number[];

function unsigned(out: Bytes, value: number): void {
  let rest = value >>> 0;
  while (rest >= 0x80) {
    out.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  out.push(rest);
}

function signed(out: Bytes, value: number): void {
  let rest = value | 0;
  while (rest < -0x40 || rest >= 0x40) {
    out.push((rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  out.push(rest & 0x7f);
}

function signedWide(out: Bytes, value: bigint): void {
  let rest = BigInt.asIntN(64, value);
  while (rest < -0x40n || rest >= 0x40n) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  out.push(Number(rest & 0x7fn));
}

/** Appends without spreading: bodies are too long for an argument list. */
function append(out: Bytes, bytes: readonly number[]): void {
  for (const b of bytes) out.push(b);
}

function sized(out: Bytes, bytes: readonly number[]): void {
  unsigned(out, bytes.length);
  append(out, bytes);
}

function named(out: Bytes, name: string): void {
  sized(
    out,
    [...name].map((c) => c.charCodeAt(0)),
  );
}

function opcode(out: Bytes, code: number): void {
  if (!isSimd(code)) {
    out.push(code);
    return;
  }
  out.push(SIMD_PREFIX);
  unsigned(out, simdNumber(code));
}

function createCode(parameterCount: number): { code: Code; encode(): Bytes } {
  const body: Bytes = [];
  const locals: ValueType[] = [];
  const free: Readonly<Record<ValueType, Local[]>> = { i32: [], v128: [] };
  const taken: [ValueType, Local][][] = [];
  const indexed = (op: number, index: number): void => {
    opcode(body, op);
    unsigned(body, index);
  };
  let depth = 0;
  const nested = (op: number, inner: () => void): void => {
    body.push(op, structure.noResult);
    depth++;
    inner();
    depth--;
    body.push(structure.end);
  };
  const code: Code = {
    parameters: Array.from({ length: parameterCount }, (_, i) => i as Local),
    local: (type) => {
      const local = free[type].pop() ?? ((parameterCount + locals.push(type) - 1) as Local);
      taken.at(-1)?.push([type, local]);
      return local;
    },
    scope: (inner) => {
      taken.push([]);
      inner();
      for (const [type, local] of taken.pop() ?? []) free[type].push(local);
    },
    get: (l) => indexed(structure.localGet, l),
    set: (l) => indexed(structure.localSet, l),
    tee: (l) => indexed(structure.localTee, l),
    getGlobal: (g) => indexed(structure.globalGet, g),
    setGlobal: (g) => indexed(structure.globalSet, g),
    i32: (value) => {
      body.push(structure.i32Const);
      signed(body, value);
    },
    i64: (value) => {
      body.push(structure.i64Const);
      signedWide(body, BigInt(value));
    },
    v128: (lanes) => {
      opcode(body, structure.v128Const);
      for (const lane of lanes)
        for (let shift = 0; shift < 32; shift += 8) body.push((lane >>> shift) & 0xff);
    },
    op: (name) => opcode(body, plainOps[name]),
    memory: (name, offset) => {
      opcode(body, memoryOps[name]);
      // Alignment is a hint (2^2 bytes always holds).
      unsigned(body, 2);
      unsigned(body, offset);
    },
    atomic: (name, offset) => {
      body.push(ATOMIC_PREFIX);
      unsigned(body, atomicOps[name]);
      unsigned(body, 2);
      unsigned(body, offset);
    },
    shuffle: (lanes) => {
      opcode(body, structure.shuffle);
      for (const lane of lanes) for (let byte = 0; byte < 4; byte++) body.push(lane * 4 + byte);
    },
    first: () => {
      opcode(body, structure.extractF32);
      body.push(0);
    },
    block: (inner) => nested(structure.block, inner),
    loop: (inner) => nested(structure.loop, inner),
    get depth() {
      return depth;
    },
    br: (by) => indexed(structure.br, by),
    brIf: (by) => indexed(structure.brIf, by),
    call: (func) => indexed(structure.call, func),
  };
  const encode = (): Bytes => {
    const out: Bytes = [];
    unsigned(out, locals.length);
    for (const type of locals) out.push(1, VALUE_TYPES[type]);
    append(out, body);
    out.push(structure.end);
    return out;
  };
  return { code, encode };
}

const SECTION = { type: 1, import: 2, function: 3, global: 6, export: 7, code: 10 } as const;
const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const FUNCTION_TYPE = 0x60;
const MEMORY_KIND = 0x02;
const FUNCTION_KIND = 0x00;

const SHARED_WITH_MAXIMUM = 0x03;

/** A module whose memory is imported as `env.memory` and is at least `pagesMin` pages of 64 KiB. */
export function createModule(pagesMin: number): ModuleBuilder {
  const functions: { parameterCount: number; body: Bytes }[] = [];
  const exported: { name: string; func: number }[] = [];
  let globals = 0;

  const section = (out: Bytes, id: number, count: number, fill: (content: Bytes) => void): void => {
    const content: Bytes = [];
    unsigned(content, count);
    fill(content);
    out.push(id);
    sized(out, content);
  };

  return {
    global: () => globals++ as Global,
    func: (parameterCount, body, exportAs) => {
      const { code, encode } = createCode(parameterCount);
      body(code);
      const func = (functions.push({ parameterCount, body: encode() }) - 1) as Func;
      if (exportAs !== undefined) exported.push({ name: exportAs, func });
      return func;
    },
    encode: () => {
      const out: Bytes = [...MAGIC];
      const arities = [...new Set(functions.map((f) => f.parameterCount))];
      section(out, SECTION.type, arities.length, (c) => {
        for (const arity of arities) {
          c.push(FUNCTION_TYPE);
          sized(c, new Array<number>(arity).fill(VALUE_TYPES.i32));
          c.push(0);
        }
      });
      section(out, SECTION.import, 1, (c) => {
        named(c, 'env');
        named(c, 'memory');
        c.push(MEMORY_KIND, SHARED_WITH_MAXIMUM);
        unsigned(c, pagesMin);
        unsigned(c, PAGES_MAX);
      });
      section(out, SECTION.function, functions.length, (c) => {
        for (const f of functions) unsigned(c, arities.indexOf(f.parameterCount));
      });
      section(out, SECTION.global, globals, (c) => {
        for (let g = 0; g < globals; g++) c.push(VALUE_TYPES.i32, 1, structure.i32Const, 0, structure.end);
      });
      section(out, SECTION.export, exported.length, (c) => {
        for (const e of exported) {
          named(c, e.name);
          c.push(FUNCTION_KIND);
          unsigned(c, e.func);
        }
      });
      section(out, SECTION.code, functions.length, (c) => {
        for (const f of functions) sized(c, f.body);
      });
      return Uint8Array.from(out);
    },
  };
}
