// How much memory this process may have: what its control group allows, or what the machine has.
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';

/** The service itself, its connections and the data that it keeps for later runs take the rest. */
const shareOfTrainings = 0.8;

/** Bytes for a worker's trainings, unless the settings say something else. */
export function trainingMemory(root = '/sys/fs/cgroup', ownGroup = readOwnGroup()): number {
  return Math.floor(Math.min(totalmem(), groupLimit(root, ownGroup)) * shareOfTrainings);
}

/** The tightest limit from the group up to the root; version 2 of control groups only. */
function groupLimit(root: string, group: string): number {
  const here = readLimit(join(root, group, 'memory.max'));
  return group === '/' || group === '.' ? here : Math.min(here, groupLimit(root, dirname(group)));
}

function readLimit(file: string): number {
  try {
    const limit = Number(readFileSync(file, 'utf8'));
    // It says `max` where there is none.
    return Number.isFinite(limit) && limit > 0 ? limit : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function readOwnGroup(): string {
  try {
    return /^0::(\/.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
  } catch {
    return '/';
  }
}
