/**
 * The read-only memory a bare machine starts from: it enters long mode with AVX-512 switched on, loads regions of memory
 * from the first ATA disk, calls a function by the System V convention, and writes regions and a report back to the disk.
 * An exception goes into the report. Interrupts stay off. Everything is fixed beforehand: tables are never written.
 */
import { createAssembler } from '../../src/engine/codegen/x86/assembler.ts';
import type { Label } from '../../src/engine/codegen/x86/operands.ts';
import { at, r8, r9, rax, rbx, rcx, rdi, rdx, rsi, rsp } from '../../src/engine/codegen/x86/operands.ts';
import type { Mapping } from './paging.ts';
import { pageTables } from './paging.ts';

export const SECTOR_BYTES = 512;

/** Memory that the firmware uses itself: below it nothing, above it is the caller's. */
const REPORT = 0x10_0000;
const STACK_END = 0x12_0000;
const STACK_BYTES = 0x1_0000;
export const OWN_END = 0x20_0000;

/** The 64-bit words of a report. */
export const REPORT_WORDS = ['state', 'returned', 'vector', 'error', 'rip', 'faultAddress'] as const;
export type Report = Readonly<Record<(typeof REPORT_WORDS)[number], bigint>>;
export const RETURNED = 1n;
export const EXCEPTION = 2n;
const wordAt = (name: keyof Report): number => REPORT + REPORT_WORDS.indexOf(name) * 8;

/** Whole sectors between disk and memory. */
export interface Transfer {
  readonly sector: number;
  readonly sectors: number;
  readonly address: number;
}

export interface Program {
  readonly mappings: readonly Mapping[];
  readonly loads: readonly Transfer[];
  readonly stores: readonly Transfer[];
  readonly entry: number;
  /** Up to six, each below 2³¹. */
  readonly arguments: readonly number[];
  readonly reportSector: number;
}

const ROM_BYTES = 0x8_0000;
const ROM = 2 ** 32 - ROM_BYTES;
/** Real mode sees the last 64 KiB. */
const SEGMENT = 2 ** 32 - 0x1_0000;
const START = 2 ** 32 - 0x200;
const RESET = 2 ** 32 - 0x10;
const LARGE_PAGE_BYTES = 0x20_0000;

const CODE_SELECTOR = 8;
/** Nothing; then 64-bit code, accessed. */
const GDT = [0n, 0x00af_9b00_0000_ffffn];
const GDT_BYTES = GDT.length * 8;
const CODE = SEGMENT + 0x40;

const CR0 = 0x8000_0033; // PE MP ET NE PG
const CR0_WRITE_PROTECT = 0x1_0000;
const CR4 = 0x0004_0620; // PAE OSFXSR OSXMMEXCPT OSXSAVE
const EFER = 0xc000_0080;
const EFER_LONG_MODE_NO_EXECUTE = 0x0900;
const XCR0 = 0xe7; // x87, xmm, ymm, masks, zmm

export function firmware(program: Program): Uint8Array {
  const rom = new Uint8Array(ROM_BYTES);
  const place = (address: number, bytes: Uint8Array, end: number): void => {
    if (address + bytes.length > end) throw new RangeError('the firmware does not fit');
    rom.set(bytes, address - ROM);
  };
  const own: Mapping[] = [
    { address: REPORT, byteLength: SECTOR_BYTES, access: 'write' },
    { address: STACK_END - STACK_BYTES, byteLength: STACK_BYTES, access: 'write' },
  ];
  place(ROM, pageTables(ROM, [...own, ...program.mappings], 2 ** 32 - LARGE_PAGE_BYTES), SEGMENT);
  const view = new DataView(rom.buffer);
  for (const [i, descriptor] of GDT.entries()) view.setBigUint64(SEGMENT - ROM + i * 8, descriptor, true);
  view.setUint16(SEGMENT - ROM + GDT_BYTES, GDT_BYTES - 1, true);
  view.setUint32(SEGMENT - ROM + GDT_BYTES + 2, SEGMENT, true);
  const code = emitCode(program);
  place(CODE, code.bytes, START);
  place(START, enterLongMode(SEGMENT + GDT_BYTES, code.entry), RESET);
  place(RESET, Uint8Array.of(0xe9, ...littleEndian(START - (RESET + 3), 2)), 2 ** 32);
  return rom;
}

const littleEndian = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff);

/** From real mode straight to 64-bit mode: paging and protection are switched on at once. Intel SDM volume 3, 10.8.5. */
function enterLongMode(gdtPointer: number, entry: number): Uint8Array {
  const dword = (n: number): number[] => littleEndian(n, 4);
  return Uint8Array.from(
    [
      [0xfa], // cli
      [0x66, 0x2e, 0x0f, 0x01, 0x16, ...littleEndian(gdtPointer - SEGMENT, 2)], // lgdt cs:[pointer]
      [0x66, 0xb8, ...dword(ROM)], // mov eax, page tables
      [0x0f, 0x22, 0xd8], // mov cr3, eax
      [0x66, 0xb8, ...dword(CR4)],
      [0x0f, 0x22, 0xe0], // mov cr4, eax
      [0x66, 0xb9, ...dword(EFER)], // mov ecx
      [0x66, 0xb8, ...dword(EFER_LONG_MODE_NO_EXECUTE)],
      [0x66, 0x31, 0xd2], // xor edx, edx
      [0x0f, 0x30], // wrmsr
      [0x66, 0xb8, ...dword(CR0)],
      [0x0f, 0x22, 0xc0], // mov cr0, eax
      [0x66, 0xea, ...dword(entry), ...littleEndian(CODE_SELECTOR, 2)], // jmp far
    ].flat(),
  );
}

const ARGUMENTS = [rdi, rsi, rdx, rcx, r8, r9] as const;
const ATA = 0x1f0;
const ATA_READ = 0x20;
const ATA_WRITE = 0x30;
/** Of one command. */
const SECTORS_MAX = 128;
const SHUTDOWN_PORT = 0x8900;
const SHUTDOWN = 'Shutdown';
const VECTORS = 32;
/** Exceptions that push an error code. */
const WITH_ERROR = new Set([8, 10, 11, 12, 13, 14, 17, 21]);

function emitCode(program: Program): { readonly bytes: Uint8Array; readonly entry: number } {
  const asm = createAssembler();
  const raw = (...bytes: number[]): void => bytes.forEach(asm.byte);
  const out = (): void => raw(0xee); // out dx, al
  const read = asm.label();
  const write = asm.label();
  const finish = asm.label();
  const idtPointer = asm.label();
  const store = (name: keyof Report): void => asm.mov(at(rbx, wordAt(name) - REPORT), rax);

  const transfer = (by: Label, { sector, sectors, address }: Transfer): void => {
    for (let done = 0; done < sectors; done += SECTORS_MAX) {
      asm.movImmediate(rbx, sector + done);
      asm.movImmediate(rcx, Math.min(SECTORS_MAX, sectors - done));
      asm.movImmediate(rsi, address + done * SECTOR_BYTES);
      asm.call(by);
    }
  };

  asm.movImmediate(rcx, 0);
  asm.movImmediate(rdx, 0);
  asm.movImmediate(rax, XCR0);
  raw(0x0f, 0x01, 0xd1); // xsetbv
  raw(0x0f, 0x01, 0x1d); // lidt
  asm.relative(idtPointer, 0, 0);
  asm.movImmediate(rsp, STACK_END);
  for (const each of program.loads) transfer(read, each);
  raw(0x0f, 0x20, 0xc0); // mov rax, cr0
  asm.op32Immediate('or', rax, CR0_WRITE_PROTECT);
  raw(0x0f, 0x22, 0xc0); // mov cr0, rax
  for (const [i, value] of program.arguments.entries()) {
    const register = ARGUMENTS[i];
    if (register === undefined) throw new RangeError('too many arguments');
    asm.movImmediate(register, value);
  }
  asm.movImmediate(rax, program.entry);
  raw(0xff, 0xd0); // call rax
  asm.movImmediate(rbx, REPORT);
  store('returned');
  for (const each of program.stores) transfer(write, each);
  asm.movImmediate(rbx, REPORT);
  asm.movImmediate(rax, Number(RETURNED));
  store('state');
  asm.bind(finish);
  transfer(write, { sector: program.reportSector, sectors: 1, address: REPORT });
  asm.movImmediate(rdx, SHUTDOWN_PORT);
  for (const letter of SHUTDOWN) {
    asm.movImmediate(rax, letter.charCodeAt(0));
    out();
  }
  const halt = asm.label();
  asm.bind(halt);
  raw(0xf4); // hlt
  asm.jmp(halt);

  emitDisk(read, ATA_READ, 0x6d); // insd
  emitDisk(write, ATA_WRITE, 0x6f); // outsd

  /** (sector in rbx, sectors in rcx, address in rsi). ATA-4, 8.27 and 8.47: PIO, 28-bit addresses. */
  function emitDisk(label: Label, command: number, move: number): void {
    const each = asm.label();
    asm.bind(label);
    asm.mov(rdi, rsi);
    asm.movImmediate(rdx, ATA + 2);
    asm.mov(rax, rcx);
    out();
    asm.mov(rax, rbx);
    for (const last of [false, false, true]) {
      asm.opImmediate('add', rdx, 1);
      out();
      asm.shift('shr', rax, 8);
      if (last) asm.opImmediate('or', rax, 0x40 | 0xa0); // by number, not by cylinder
    }
    asm.opImmediate('add', rdx, 1);
    out();
    asm.opImmediate('add', rdx, 1);
    asm.movImmediate(rax, command);
    out();
    asm.bind(each);
    emitReady(0x08); // it wants data, or has some
    asm.mov(rbx, rcx);
    asm.movImmediate(rdx, ATA);
    asm.movImmediate(rcx, SECTOR_BYTES / 4);
    raw(0xf3, move); // rep
    asm.movImmediate(rdx, ATA + 7);
    asm.mov(rcx, rbx);
    asm.opImmediate('sub', rcx, 1);
    asm.jcc('ne', each);
    emitReady(0x40);
    asm.ret();
  }

  /** Waits for the disk's status to have a bit and not to be busy. What fails never comes. */
  function emitReady(bit: number): void {
    const wait = asm.label();
    asm.bind(wait);
    raw(0xec); // in al, dx
    asm.opImmediate('and', rax, 0x81 | bit);
    asm.opImmediate('cmp', rax, bit);
    asm.jcc('ne', wait);
  }

  const caught = asm.label();
  const stubs = Array.from({ length: VECTORS }, (_, vector) => {
    const stub = asm.label();
    asm.bind(stub);
    if (!WITH_ERROR.has(vector)) raw(0x6a, 0); // push
    raw(0x6a, vector);
    asm.jmp(caught);
    return stub;
  });
  asm.bind(caught);
  asm.movImmediate(rbx, REPORT);
  for (const name of ['vector', 'error', 'rip'] as const) {
    asm.pop(rax);
    store(name);
  }
  raw(0x0f, 0x20, 0xd0); // mov rax, cr2
  store('faultAddress');
  asm.movImmediate(rax, Number(EXCEPTION));
  store('state');
  asm.jmp(finish);

  asm.align(16);
  const idt = asm.here();
  for (const stub of stubs) {
    const address = BigInt(CODE + stub.position);
    const gate = 0x8e00n << 32n; // present, interrupt gate
    asm.int64((address & 0xffffn) | (BigInt(CODE_SELECTOR) << 16n) | gate | ((address >> 16n) << 48n));
    asm.int64(0n);
  }
  asm.bind(idtPointer);
  raw(...littleEndian(VECTORS * 16 - 1, 2), ...littleEndian(CODE + idt, 4), 0, 0, 0, 0);
  return { bytes: asm.finish(), entry: CODE };
}
