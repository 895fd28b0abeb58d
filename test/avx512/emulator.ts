/** Runs machine code on an emulated processor with AVX-512. What the code touches outside its regions is a fault. */
import { runBochs } from './bochs.ts';
import { firmware } from './firmware.ts';
import type { Report, Transfer } from './firmware-code.ts';
import { EXCEPTION, OWN_END, REPORT_WORDS, RETURNED, SECTOR_BYTES } from './firmware-code.ts';
import type { Access } from './paging.ts';
import { endPage, firstPage, MAPPABLE_BYTES, PAGE_BYTES } from './paging.ts';

/** Where a caller's regions may lie: from here to MAPPABLE_BYTES. */
export const REGIONS_FROM = OWN_END;

/** The rest of a region's first and last page is mapped too, and holds NaN. */
export interface Region {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly access: Access;
}

export interface Call {
  readonly regions: readonly Region[];
  readonly entry: number;
  readonly arguments: readonly number[];
  readonly timeoutMs?: number;
}

export interface Outcome {
  /** rax */
  readonly returned: bigint;
  /** What a region holds in the end: a copy. */
  after(region: Region): Uint8Array<ArrayBuffer>;
}

const TIMEOUT_MS = 60_000;
const PADDING = 0xff;
const MEBIBYTE = 2 ** 20;

/** Throws an Error that names an exception and the bytes it happened at. */
export function emulate({ regions, entry, arguments: values, timeoutMs = TIMEOUT_MS }: Call): Outcome {
  let sectors = 0;
  const placed = regions.map((region) => {
    const { address, bytes } = region;
    const from = firstPage(address) * PAGE_BYTES;
    const sector = sectors;
    sectors += (endPage(address, bytes.length) * PAGE_BYTES - from) / SECTOR_BYTES;
    const transfer: Transfer = { sector, sectors: sectors - sector, address: from };
    return { region, transfer, offset: sector * SECTOR_BYTES + address - from };
  });
  const disk = new Uint8Array((sectors + 1) * SECTOR_BYTES).fill(PADDING, 0, sectors * SECTOR_BYTES);
  for (const { region, offset } of placed) disk.set(region.bytes, offset);
  const left = runBochs({
    rom: firmware({
      mappings: regions.map(({ address, bytes, access }) => ({ address, byteLength: bytes.length, access })),
      loads: placed.map(({ transfer }) => transfer),
      stores: placed.filter(({ region }) => region.access === 'write').map(({ transfer }) => transfer),
      entry,
      arguments: values,
      reportSector: sectors,
    }),
    disk,
    memoryMebibytes: MAPPABLE_BYTES / MEBIBYTE,
    timeoutMs,
  });
  const report = readReport(left.subarray(sectors * SECTOR_BYTES));
  if (report.state !== RETURNED) throw new Error(describe(regions, report));
  return {
    returned: report.returned,
    after(region) {
      const found = placed.find((p) => p.region === region);
      if (found === undefined) throw new RangeError('that was no region of the call');
      return left.slice(found.offset, found.offset + region.bytes.length);
    },
  };
}

function readReport(sector: Uint8Array): Report {
  const view = new DataView(sector.buffer, sector.byteOffset);
  return Object.fromEntries(REPORT_WORDS.map((name, i) => [name, view.getBigUint64(i * 8, true)])) as Report;
}

const NAMES: Readonly<Record<number, string>> = {
  0: '#DE',
  3: '#BP',
  6: '#UD',
  7: '#NM',
  8: '#DF',
  12: '#SS',
  13: '#GP',
  14: '#PF',
  17: '#AC',
  19: '#XM',
};
const INSTRUCTION_BYTES_MAX = 15;
const PAGE_FAULT = 14n;

function describe(regions: readonly Region[], report: Report): string {
  if (report.state !== EXCEPTION) return `no report: ${JSON.stringify(report, (_, v) => String(v))}`;
  const { vector, error, rip, faultAddress } = report;
  const name = NAMES[Number(vector)] ?? `exception ${vector}`;
  const region = regions.find(({ address, bytes }) => rip >= address && rip < address + bytes.length);
  const at = region === undefined ? 0 : Number(rip) - region.address;
  const code = region?.bytes.subarray(at, at + INSTRUCTION_BYTES_MAX) ?? [];
  const where = region === undefined ? `0x${rip.toString(16)}` : `byte ${at} of the code`;
  const touching = vector === PAGE_FAULT ? `, touching 0x${faultAddress.toString(16)}` : '';
  return `${name} (error ${error}) at ${where}${touching}: ${Buffer.from(code).toString('hex')}`;
}
