/**
 * The read-only memory that a bare processor starts from: from real mode straight to 64-bit mode, then on to the code
 * that does the work. Whatever the processor reads as a table is in here, filled in beforehand, and never written.
 */
import type { Program } from './firmware-code.ts';
import { emitFirmwareCode, OWN_MAPPINGS } from './firmware-code.ts';
import { LARGE_PAGE_BYTES, pageTables } from './paging.ts';

const TOP = 2 ** 32;
const ROM_BYTES = 0x8_0000;
const ROM = TOP - ROM_BYTES;
/** Real mode sees the last 64 KiB. */
const SEGMENT = TOP - 0x1_0000;
const START = TOP - 0x200;
/** Where the processor begins. */
const RESET = TOP - 0x10;

/** Segment descriptors: nothing; 64-bit code, which counts as accessed already. */
const GDT = [0n, 0x00af_9b00_0000_ffffn];
const GDT_BYTES = GDT.length * 8;
const GDT_POINTER = SEGMENT + GDT_BYTES;
const CODE_SELECTOR = 8;
const CODE = SEGMENT + 0x40;

const CR0 = 0x8000_0033; // PE MP ET NE PG
const CR4 = 0x0004_0620; // PAE OSFXSR OSXMMEXCPT OSXSAVE
const EFER = 0xc000_0080;
const EFER_BITS = 0x0900; // LME NXE

/** Throws RangeError for regions that cannot be, and for more than fits. */
export function firmware(program: Program): Uint8Array {
  const rom = new Uint8Array(ROM_BYTES);
  const place = (address: number, bytes: Uint8Array, end: number): void => {
    if (address + bytes.length > end) throw new RangeError('the firmware does not fit');
    rom.set(bytes, address - ROM);
  };
  const tables = pageTables(ROM, [...OWN_MAPPINGS, ...program.mappings], TOP - LARGE_PAGE_BYTES);
  place(ROM, tables, SEGMENT);
  place(SEGMENT, new Uint8Array(BigUint64Array.from(GDT).buffer), GDT_POINTER);
  place(GDT_POINTER, Uint8Array.of(...littleEndian(GDT_BYTES - 1, 2), ...littleEndian(SEGMENT, 4)), CODE);
  place(CODE, emitFirmwareCode(program, { base: CODE, selector: CODE_SELECTOR }), START);
  place(START, enterLongMode(), RESET);
  place(RESET, Uint8Array.of(0xe9, ...littleEndian(START - (RESET + 3), 2)), TOP);
  return rom;
}

const littleEndian = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff);

/** 16-bit code that switches on protection, paging and long mode at once. Intel SDM volume 3, 10.8.5. */
function enterLongMode(): Uint8Array {
  const dword = (n: number): number[] => littleEndian(n, 4);
  return Uint8Array.from(
    [
      [0xfa], // cli
      [0x66, 0x2e, 0x0f, 0x01, 0x16, ...littleEndian(GDT_POINTER - SEGMENT, 2)], // lgdt cs:[pointer]
      [0x66, 0xb8, ...dword(ROM)], // mov eax, page tables
      [0x0f, 0x22, 0xd8], // mov cr3, eax
      [0x66, 0xb8, ...dword(CR4)], // mov eax, …
      [0x0f, 0x22, 0xe0], // mov cr4, eax
      [0x66, 0xb9, ...dword(EFER)], // mov ecx, …
      [0x66, 0xb8, ...dword(EFER_BITS)], // mov eax, …
      [0x66, 0x31, 0xd2], // xor edx, edx
      [0x0f, 0x30], // wrmsr
      [0x66, 0xb8, ...dword(CR0)], // mov eax, …
      [0x0f, 0x22, 0xc0], // mov cr0, eax
      [0x66, 0xea, ...dword(CODE), ...littleEndian(CODE_SELECTOR, 2)], // jmp far
    ].flat(),
  );
}
