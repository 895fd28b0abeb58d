/** Runs Bochs once, without a screen, in a folder of its own that is gone afterwards. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Machine {
  /** Lies at the end of the first 4 GiB; its size is a power of two. */
  readonly rom: Uint8Array;
  readonly disk: Uint8Array;
  readonly memoryMebibytes: number;
  readonly timeoutMs: number;
}

const HEADS = 16;
const SECTORS_PER_TRACK = 63;
const CYLINDER_BYTES = HEADS * SECTORS_PER_TRACK * 512;
/** Bochs wants one; without a signature nothing looks at it. */
const VGA_ROM = new Uint8Array(512);
const LOG_LINES = 12;

const configuration = (memoryMebibytes: number, cylinders: number): string => `\
config_interface: textconfig
display_library: term
memory: guest=${memoryMebibytes}, host=${memoryMebibytes}
romimage: file=rom.img
vgaromimage: file=vga.img
cpu: model=corei7_skylake_x, count=1, ips=4000000, reset_on_triple_fault=0
clock: sync=none
plugin_ctrl: biosdev=0, extfpuirq=0, gameport=0, iodebug=0, parallel=0, serial=0, speaker=0, unmapped=1
boot: disk
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path=disk.img, mode=flat, cylinders=${cylinders}, heads=${HEADS}, spt=${SECTORS_PER_TRACK}
ata1: enabled=0
log: bochs.log
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
`;

/**
 * The disk as the machine left it. Throws an Error where there is no Bochs, or with the end of its log if the machine
 * was not shut down from inside in time.
 */
export function runBochs({ rom, disk, memoryMebibytes, timeoutMs }: Machine): Uint8Array<ArrayBuffer> {
  const folder = mkdtempSync(join(tmpdir(), 'trainyard-bochs-'));
  const file = (name: string): string => join(folder, name);
  try {
    const cylinders = Math.ceil(disk.length / CYLINDER_BYTES);
    const whole = new Uint8Array(cylinders * CYLINDER_BYTES);
    whole.set(disk);
    writeFileSync(file('rom.img'), rom);
    writeFileSync(file('vga.img'), VGA_ROM);
    writeFileSync(file('disk.img'), whole);
    writeFileSync(file('bochsrc'), configuration(memoryMebibytes, cylinders));
    const { status, signal, error } = spawnSync('bochs', ['-q', '-f', 'bochsrc'], {
      cwd: folder,
      // Where Bochs has a debugger it waits for a word to go on.
      input: 'c\n',
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { ...process.env, TERM: 'vt100' },
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    if (error !== undefined && 'code' in error && error.code === 'ENOENT') {
      throw new Error('Bochs is missing: apt-get install --no-install-recommends bochs bochs-term');
    }
    if (error !== undefined) throw new Error(`Bochs (${signal ?? 'not killed'}): ${error.message}`);
    const log = readFileSync(file('bochs.log'), 'latin1');
    // A shutdown from inside counts as fatal, with status 1.
    if (status !== 1 || !log.includes('shutdown requested')) {
      const end = log.trim().split('\n').slice(-LOG_LINES).join('\n');
      throw new Error(`the machine was not shut down; Bochs ended with ${signal ?? status}:\n${end}`);
    }
    return new Uint8Array(readFileSync(file('disk.img'))).slice(0, disk.length);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
