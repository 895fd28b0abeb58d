// The results: rows for programs, and the same as a table.
import { linesOf } from './table.ts';
import type { QueueName } from './world.ts';

export interface ReportRow {
  readonly id: string;
  readonly queue: QueueName;
  readonly repetitions: number;
  readonly violations: number;
  /** Null where none was measured. */
  readonly recoverySecondsMax: number | null;
  readonly boundSeconds: number | null;
  /** What its lines were interrupted by, where it interrupts lines. */
  readonly by?: 'namespace' | 'proxy';
  /** Why it could not be done on this machine. */
  readonly impossible?: string;
}

/** Where a recovery is bounded, one has to have been seen. */
export function rowPasses({ violations, recoverySecondsMax, boundSeconds, impossible }: ReportRow): boolean {
  if (impossible !== undefined) return true;
  return (
    violations === 0 &&
    (boundSeconds === null || (recoverySecondsMax ?? Number.POSITIVE_INFINITY) <= boundSeconds)
  );
}

/** Lines of Markdown. */
export function tableOf(rows: readonly ReportRow[]): string[] {
  const head = ['id', 'queue', 'repetitions', 'violations', 'longest recovery s', 'bound s', 'by', ''];
  const cells = rows.map((row) => [
    row.id,
    row.queue,
    String(row.repetitions),
    String(row.violations),
    row.recoverySecondsMax === null ? '–' : row.recoverySecondsMax.toFixed(1),
    row.boundSeconds === null ? '–' : String(row.boundSeconds),
    row.by ?? '–',
    row.impossible === undefined ? (rowPasses(row) ? 'ok' : 'FAILED') : 'not possible here',
  ]);
  return linesOf(head, cells);
}
