/** The emulator itself: what AVX-512 instructions compute, and how code that goes wrong is reported. */
import { describe, expect, it, vi } from 'vitest';
import type { Assembler } from '../../src/engine/codegen/x86/assembler.ts';
import { createAssembler } from '../../src/engine/codegen/x86/assembler.ts';
import { at, r9, rax, rcx, rdi, rdx, rsi } from '../../src/engine/codegen/x86/operands.ts';
import type { Outcome, Region } from './emulator.ts';
import { emulate, REGIONS_FROM } from './emulator.ts';
import type { Access } from './paging.ts';
import { PAGE_BYTES } from './paging.ts';

const CODE = REGIONS_FROM;
const DATA = REGIONS_FROM + 16 * PAGE_BYTES;
const LANES = 16;
const VECTOR_BYTES = 64;
/** No multiple of anything. */
const UNALIGNED = 4;

const assemble = (write: (asm: Assembler) => void): Uint8Array => {
  const asm = createAssembler();
  write(asm);
  return asm.finish();
};
const code = (write: (asm: Assembler) => void): Region => ({
  address: CODE,
  bytes: assemble(write),
  access: 'execute',
});
const data = (byteLength: number, access: Access = 'write'): Region => ({
  address: DATA,
  bytes: new Uint8Array(byteLength),
  access,
});

function run(write: (asm: Assembler) => void, memory = data(PAGE_BYTES)): Outcome {
  return emulate({ regions: [code(write), memory], entry: CODE, arguments: [DATA] });
}

const lanes = (f: (lane: number) => number): number[] => Array.from({ length: LANES }, (_, i) => f(i));
const a = lanes((i) => i * 0.75 - 5);
const b = lanes((i) => 2 ** (i - 8));

/** Loads a to zmm17 and b to zmm2 from memory at rdi, lets `compute` fill zmm30, and returns that. */
function compute(emit: (asm: Assembler) => void): Float32Array {
  const values = new Float32Array(1 + 3 * LANES);
  values.set([...a, ...b], UNALIGNED / 4);
  const memory: Region = { address: DATA, bytes: new Uint8Array(values.buffer), access: 'write' };
  const { after } = run((asm) => {
    asm.zmm.two('vmovups', 17, at(rdi, UNALIGNED));
    asm.zmm.two('vmovups', 2, at(rdi, UNALIGNED + VECTOR_BYTES));
    emit(asm);
    asm.zmm.store('vmovups', at(rdi, UNALIGNED + 2 * VECTOR_BYTES), 30);
    asm.ret();
  }, memory);
  return new Float32Array(after(memory).buffer).slice(1 + 2 * LANES);
}

const MASK = 0b1010_0110_0000_1111;
const masked = (asm: Assembler): void => {
  asm.movImmediate(rax, MASK);
  asm.kmovw(3, rax);
};
const inMask = (lane: number): boolean => ((MASK >> lane) & 1) === 1;
const A = (lane: number): number => a[lane] ?? Number.NaN;
const B = (lane: number): number => b[lane] ?? Number.NaN;
const bits = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0] ?? 0;
const ofBits = (value: number): number => new Float32Array(Int32Array.of(value).buffer)[0] ?? 0;

const instructions: readonly {
  readonly name: string;
  readonly emit: (asm: Assembler) => void;
  readonly lane: (lane: number) => number;
}[] = [
  {
    name: 'adds registers',
    emit: (asm) => asm.zmm.three('vaddps', 30, 17, 2),
    lane: (i) => Math.fround(A(i) + B(i)),
  },
  {
    name: 'multiplies by unaligned memory',
    emit: (asm) => asm.zmm.three('vmulps', 30, 2, at(rdi, UNALIGNED)),
    lane: (i) => Math.fround(A(i) * B(i)),
  },
  {
    name: 'repeats one element of memory in all lanes',
    emit: (asm) => asm.zmm.three('vdivps', 30, 17, at(rdi, UNALIGNED + 4 * 9), { broadcast: true }),
    lane: (i) => Math.fround(A(i) / A(9)),
  },
  {
    name: 'keeps the lanes that a mask leaves out',
    emit: (asm) => {
      masked(asm);
      asm.zmm.move(30, 17);
      asm.zmm.three('vsubps', 30, 17, 2, { mask: 3 });
    },
    lane: (i) => (inMask(i) ? Math.fround(A(i) - B(i)) : A(i)),
  },
  {
    name: 'clears the lanes that a mask leaves out',
    emit: (asm) => {
      masked(asm);
      asm.zmm.two('vmovups', 30, 2, { mask: 3, zeroing: true });
    },
    lane: (i) => (inMask(i) ? B(i) : 0),
  },
  {
    name: 'compares to a mask',
    emit: (asm) => {
      const lessThan = 17;
      asm.zmm.threeImmediate('vcmpps', 1, 17, 2, lessThan);
      asm.zmm.move(30, 2);
      asm.zmm.two('vmovups', 30, 17, { mask: 1 });
    },
    lane: (i) => Math.min(A(i), B(i)),
  },
  {
    name: 'rounds down',
    emit: (asm) => asm.zmm.twoImmediate('vrndscaleps', 30, 17, 9),
    lane: (i) => Math.floor(A(i)),
  },
  {
    name: 'multiplies whole numbers',
    emit: (asm) => asm.zmm.three('vpmulld', 30, 17, 2),
    lane: (i) => ofBits(Math.imul(bits(A(i)), bits(B(i)))),
  },
  {
    name: 'selects bit by bit',
    emit: (asm) => {
      asm.zmm.move(30, 17);
      asm.zmm.threeImmediate('vpternlogd', 30, 2, at(rdi, UNALIGNED + 4), 0xca);
    },
    lane: (i) => ofBits((bits(A(i)) & bits(B(i))) | (~bits(A(i)) & bits(i + 1 < LANES ? A(i + 1) : B(0)))),
  },
];

describe('instructions', () => {
  it.each(instructions)('$name', ({ emit, lane }) => {
    expect(compute(emit)).toEqual(Float32Array.from(lanes(lane)));
  });
});

describe('calls', () => {
  it('take six arguments and return one', () => {
    const { returned } = emulate({
      regions: [
        code((asm) => {
          // Each argument has a digit of its own.
          asm.mov(rax, rdi);
          for (const register of [rsi, rdx, rcx, 8, r9]) {
            asm.imulImmediate(rax, rax, 10);
            asm.op('add', rax, register);
          }
          asm.ret();
        }),
      ],
      entry: CODE,
      arguments: [1, 2, 3, 4, 5, 6],
    });
    expect(returned).toBe(123456n);
  });

  it('bring back regions of many pages, from and to any byte', () => {
    const bytes = Uint8Array.from({ length: 5 * PAGE_BYTES + 21 }, (_, i) => i * 7);
    const memory: Region = { address: DATA + 13, bytes, access: 'write' };
    const last = at(rdi, 13 + bytes.length - 4);
    const { after } = run((asm) => {
      asm.movImmediate(rax, 0x01020304);
      asm.mov32(last, rax);
      asm.ret();
    }, memory);
    expect(after(memory)).toEqual(Uint8Array.of(...bytes.subarray(0, -4), 4, 3, 2, 1));
  });
});

describe('code that goes wrong', () => {
  it('is reported with the bytes of an instruction that does not exist', () => {
    const wrong = (asm: Assembler): void => {
      asm.op('xor', rax, rax);
      for (const byte of [0x0f, 0x0b]) asm.byte(byte);
    };
    expect(() => run(wrong)).toThrow(/#UD \(error 0\) at byte 3 of the code: 0f0b/);
  });

  it.each([
    [
      'reads beyond the end of a region',
      (asm: Assembler) => asm.zmm.two('vmovups', 0, at(rdi, 0x1000)),
      '62f17c48104740',
    ],
    ['reads before its start', (asm: Assembler) => asm.zmm.two('vmovups', 0, at(rdi, -64)), '62f17c481047ff'],
    [
      'writes it where it is for reading',
      (asm: Assembler) => asm.zmm.store('vmovups', at(rdi), 0),
      '62f17c481107',
    ],
    ['writes code', (asm: Assembler) => asm.mov(at(rdi, CODE - DATA), rax), '48898700'],
  ])('is reported when it %s', (_, wrong, bytes) => {
    const act = (): Outcome => run(wrong, data(PAGE_BYTES, 'read'));
    expect(act).toThrow(new RegExp(`^#PF .* at byte 0 of the code, touching 0x2[0-9a-f]{5}: ${bytes}`));
  });

  it('is reported when it runs data', () => {
    const act = (): Outcome => emulate({ regions: [data(PAGE_BYTES)], entry: DATA, arguments: [] });
    expect(act).toThrow(/^#PF/);
  });

  it('is ended when it does not end', () => {
    const endless = code((asm) => {
      const top = asm.label();
      asm.bind(top);
      asm.jmp(top);
    });
    const act = (): Outcome => emulate({ regions: [endless], entry: CODE, arguments: [], timeoutMs: 1500 });
    expect(act).toThrow(/^Bochs \(SIGKILL\): .*ETIMEDOUT/);
  });
});

it('says what to install where there is no Bochs', () => {
  vi.stubEnv('PATH', '/nowhere');
  try {
    expect(() => run((asm) => asm.ret())).toThrow(/Bochs is missing: apt-get install/);
  } finally {
    vi.unstubAllEnvs();
  }
});
