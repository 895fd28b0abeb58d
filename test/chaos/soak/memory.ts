// Watches how much memory processes hold.
import { readFileSync } from 'node:fs';
import type { Started } from '../places/processes.ts';
import type { Sample } from './slope.ts';

const everyMs = 5_000;

export interface MemoryWatch {
  samplesOf(process: Started): readonly Sample[];
  stop(): void;
}

export function watchMemory(processes: readonly Started[]): MemoryWatch {
  const startedAt = performance.now();
  const samples = new Map(processes.map((process) => [process, [] as Sample[]]));
  const look = () => {
    const seconds = (performance.now() - startedAt) / 1_000;
    for (const [{ pid }, own] of samples) {
      const megabytes = residentMegabytes(pid);
      if (megabytes !== null) own.push({ seconds, megabytes });
    }
  };
  look();
  const timer = setInterval(look, everyMs);
  return { samplesOf: (process) => samples.get(process) ?? [], stop: () => clearInterval(timer) };
}

/** Null when it is gone, or the system does not tell. */
function residentMegabytes(pid: number): number | null {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kilobytes === undefined ? null : Number(kilobytes) / 1_024;
  } catch {
    return null;
  }
}
