// The processor time of processes and of everything below them, as Linux tells it.
import { readFileSync } from 'node:fs';
import { platform } from 'node:os';
import { childrenOf } from '../../flow/support/command.ts';

/** Of `sysconf(_SC_CLK_TCK)`, which is 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** Milliseconds since each process started, children included; null elsewhere than on Linux. */
export function cpuTimesMs(pids: Record<string, number>): Record<string, number> | null {
  if (platform() !== 'linux') return null;
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, familyMs(pid)]));
}

function familyMs(pid: number): number {
  const family = [pid, ...childrenOf(pid, '')];
  return family.reduce((sum, member) => sum + ownMs(member), 0);
}

/** proc(5): user and system time, and those of children that have ended. */
function ownMs(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return (ticks * 1_000) / ticksPerSecond;
  } catch {
    return 0;
  }
}
