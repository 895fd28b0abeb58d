/**
 * What the emulated machine does once in 64-bit mode: switch AVX-512 on, load regions of memory from the first ATA disk,
 * call a function by the System V convention, write regions and a report back to the disk, and shut down. An exception
 * goes into the report. Interrupts stay off.
 */
import type { Assembler } from '../../src/engine/codegen/x86/assembler.ts';
import { createAssembler } from '../../src/engine/codegen/x86/assembler.ts';
import type { Label } from '../../src/engine/codegen/x86/operands.ts';
import { at, r8, r9, rax, rbx, rcx, rdi, rdx, rsi, rsp } from '../../src/engine/codegen/x86/operands.ts';
import type { Mapping } from './paging.ts';

export const SECTOR_BYTES = 512;

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

/** Memory of its own. From OWN_END on it is the caller's. */
const REPORT = 0x10_0000;
const STACK_END = 0x12_0000;
const STACK_BYTES = 0x1_0000;
export const OWN_END = 0x20_0000;
export const OWN_MAPPINGS: readonly Mapping[] = [
  { address: REPORT, byteLength: SECTOR_BYTES, access: 'write' },
  { address: STACK_END - STACK_BYTES, byteLength: STACK_BYTES, access: 'write' },
];

/** The 64-bit words of a report. */
export const REPORT_WORDS = ['state', 'returned', 'vector', 'error', 'rip', 'faultAddress'] as const;
export type Report = Readonly<Record<(typeof REPORT_WORDS)[number], bigint>>;
export const RETURNED = 1n;
export const EXCEPTION = 2n;

const ARGUMENTS = [rdi, rsi, rdx, rcx, r8, r9] as const;
const XCR0 = 0xe7; // x87, xmm, ymm, masks, zmm
const CR0_WRITE_PROTECT = 0x1_0000;
/** Bochs' own. */
const SHUTDOWN_PORT = 0x8900;
const SHUTDOWN = 'Shutdown';

const raw = (asm: Assembler, ...bytes: number[]): void => bytes.forEach(asm.byte);
/** out dx, al */
const out = (asm: Assembler): void => raw(asm, 0xee);
/** Clobbers rbx. */
const report = (asm: Assembler, word: keyof Report): void => {
  asm.movImmediate(rbx, REPORT);
  asm.mov(at(rbx, REPORT_WORDS.indexOf(word) * 8), rax);
};

/** Begins with its first instruction. It has to lie at `base`, in a segment of 64-bit code named by `selector`. */
export function emitFirmwareCode(
  program: Program,
  { base, selector }: { readonly base: number; readonly selector: number },
): Uint8Array {
  const asm = createAssembler();
  const [read, write, finish, idtPointer] = [asm.label(), asm.label(), asm.label(), asm.label()];
  const state = (value: bigint): void => {
    asm.movImmediate(rax, Number(value));
    report(asm, 'state');
  };

  for (const register of [rcx, rdx]) asm.movImmediate(register, 0);
  asm.movImmediate(rax, XCR0);
  raw(asm, 0x0f, 0x01, 0xd1); // xsetbv
  raw(asm, 0x0f, 0x01, 0x1d); // lidt
  asm.relative(idtPointer, 0, 0);
  asm.movImmediate(rsp, STACK_END);
  for (const each of program.loads) callDisk(asm, read, each);
  // From now on what is for reading cannot be written.
  raw(asm, 0x0f, 0x20, 0xc0); // mov rax, cr0
  asm.op32Immediate('or', rax, CR0_WRITE_PROTECT);
  raw(asm, 0x0f, 0x22, 0xc0); // mov cr0, rax
  for (const [i, value] of program.arguments.entries()) {
    const register = ARGUMENTS[i];
    if (register === undefined) throw new RangeError('too many arguments');
    asm.movImmediate(register, value);
  }
  asm.movImmediate(rax, program.entry);
  raw(asm, 0xff, 0xd0); // call rax
  report(asm, 'returned');
  for (const each of program.stores) callDisk(asm, write, each);
  state(RETURNED);

  asm.bind(finish);
  callDisk(asm, write, { sector: program.reportSector, sectors: 1, address: REPORT });
  asm.movImmediate(rdx, SHUTDOWN_PORT);
  for (const letter of SHUTDOWN) {
    asm.movImmediate(rax, letter.charCodeAt(0));
    out(asm);
  }
  raw(asm, 0xf4); // hlt

  emitDisk(asm, read, { command: 0x20, move: 0x6d }); // insd
  emitDisk(asm, write, { command: 0x30, move: 0x6f }); // outsd
  const handlers = emitHandlers(asm, () => {
    state(EXCEPTION);
    asm.jmp(finish);
  });

  asm.align(16);
  const idt = base + asm.here();
  const present = 0x8e00n;
  for (const handler of handlers) {
    const address = BigInt(base + handler.position);
    const low = (address & 0xffffn) | (BigInt(selector) << 16n);
    asm.int64(low | (present << 32n) | ((address >> 16n) << 48n));
    asm.int64(0n);
  }
  asm.bind(idtPointer);
  const limit = handlers.length * 16 - 1;
  raw(asm, limit & 0xff, limit >> 8);
  asm.int64(BigInt(idt));
  return asm.finish();
}

const ATA_DATA = 0x1f0;
const ATA_COUNT = 0x1f2;
const ATA_STATUS = 0x1f7;
const BUSY_OR_ERROR = 0x81;
const HAS_DATA = 0x08;
const READY = 0x40;
/** The first drive, sectors by number. */
const DRIVE = 0xe0;
const SECTORS_PER_COMMAND = 128;

function callDisk(asm: Assembler, by: Label, { sector, sectors, address }: Transfer): void {
  for (let done = 0; done < sectors; done += SECTORS_PER_COMMAND) {
    asm.movImmediate(rbx, sector + done);
    asm.movImmediate(rcx, Math.min(SECTORS_PER_COMMAND, sectors - done));
    asm.movImmediate(rsi, address + done * SECTOR_BYTES);
    asm.call(by);
  }
}

/** A function (sector in rbx, sectors in rcx, address in rsi). ATA-4: READ SECTOR(S) and WRITE SECTOR(S). */
function emitDisk(
  asm: Assembler,
  label: Label,
  { command, move }: { readonly command: number; readonly move: number },
): void {
  const nextPort = (): void => asm.opImmediate('add', rdx, 1);
  // An error never turns into this.
  const untilStatus = (bit: number): void => {
    const wait = asm.label();
    asm.bind(wait);
    raw(asm, 0xec); // in al, dx
    asm.opImmediate('and', rax, BUSY_OR_ERROR | bit);
    asm.opImmediate('cmp', rax, bit);
    asm.jcc('ne', wait);
  };
  asm.bind(label);
  asm.mov(rdi, rsi);
  asm.movImmediate(rdx, ATA_COUNT);
  asm.mov(rax, rcx);
  out(asm);
  asm.mov(rax, rbx);
  for (let byte = 0; byte < 3; byte++) {
    nextPort();
    out(asm);
    asm.shift('shr', rax, 8);
  }
  nextPort();
  asm.opImmediate('or', rax, DRIVE);
  out(asm);
  nextPort();
  asm.movImmediate(rax, command);
  out(asm);
  const each = asm.label();
  asm.bind(each);
  untilStatus(HAS_DATA);
  asm.mov(rbx, rcx);
  asm.movImmediate(rdx, ATA_DATA);
  asm.movImmediate(rcx, SECTOR_BYTES / 4);
  raw(asm, 0xf3, move); // rep
  asm.movImmediate(rdx, ATA_STATUS);
  asm.mov(rcx, rbx);
  asm.opImmediate('sub', rcx, 1);
  asm.jcc('ne', each);
  untilStatus(READY);
  asm.ret();
}

const VECTORS = 32;
/** Exceptions that push an error code. */
const WITH_ERROR = new Set([8, 10, 11, 12, 13, 14, 17, 21]);

/** Where each exception goes: it is written to the report, then `leave`. */
function emitHandlers(asm: Assembler, leave: () => void): Label[] {
  const caught = asm.label();
  const handlers = Array.from({ length: VECTORS }, (_, vector) => {
    const handler = asm.label();
    asm.bind(handler);
    if (!WITH_ERROR.has(vector)) raw(asm, 0x6a, 0); // push
    raw(asm, 0x6a, vector);
    asm.jmp(caught);
    return handler;
  });
  asm.bind(caught);
  for (const word of ['vector', 'error', 'rip'] as const) {
    asm.pop(rax);
    report(asm, word);
  }
  raw(asm, 0x0f, 0x20, 0xd0); // mov rax, cr2
  report(asm, 'faultAddress');
  leave();
  return handlers;
}
