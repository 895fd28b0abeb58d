// What a person reads about a run: how it ended, its numbers by part, its confusion matrix.
import { formatDuration, formatNumber, formatTable, formatTime, safeText, spacedWords } from './text.ts';
import type { WireRun } from './wire.ts';

const finalStatuses: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled']);

export function isFinal(status: string): boolean {
  return finalStatuses.has(status);
}

/** `succeeded`, `failed (diverged)`, `succeeded (early stopped)`. */
export function describeStatus(run: Pick<WireRun, 'status' | 'stopReason'>): string {
  const plain = run.stopReason === null || run.stopReason === 'completed' || run.stopReason === 'user';
  return safeText(plain ? run.status : `${run.status} (${spacedWords(run.stopReason ?? '')})`);
}

/** One sentence for the end of a run. */
export function describeEnd(run: WireRun): string {
  const epochs = run.epoch === run.epochs ? `${run.epochs}` : `${run.epoch} of ${run.epochs}`;
  const best = run.bestEpoch === null || run.bestEpoch === run.epoch ? '' : `, best epoch ${run.bestEpoch}`;
  const took = secondsBetween(run.startedAt, run.finishedAt);
  const time = took === null ? '' : `, ${formatDuration(took)}`;
  const why = run.failure ? `: ${safeText(run.failure.detail)}` : '';
  return `${safeText(run.name)}: ${describeStatus(run)}, ${epochs} epochs${best}${time}${why}`;
}

/** Final numbers as a table of parts: `test  loss 0.08  accuracy 0.98`. Empty before the end. */
export function resultLines(run: WireRun): string[] {
  const parts = new Map<string, [string, number | null][]>();
  for (const [name, value] of Object.entries(run.results ?? {})) {
    if (typeof value !== 'number' && value !== null) continue;
    const part = /^(training|validation|test)(?=[A-Z])/.exec(name)?.[1] ?? 'training';
    const metric = name.startsWith(part) && name !== part ? name.slice(part.length) : name;
    const short = metric.charAt(0).toLowerCase() + metric.slice(1);
    parts.set(part, [...(parts.get(part) ?? []), [short, value]]);
  }
  const names = [...new Set([...parts.values()].flat().map(([name]) => name))];
  if (names.length === 0) return [];
  const rows = ['training', 'validation', 'test'].flatMap((part) => {
    const numbers = new Map(parts.get(part));
    const cells = names.map((name) => (numbers.has(name) ? formatNumber(numbers.get(name)) : ''));
    return parts.has(part) ? [[part, ...cells]] : [];
  });
  const heads = ['', ...names.map((name) => safeText(spacedWords(name)))];
  return formatTable([heads, ...rows], new Set(names.map((_, column) => column + 1)));
}

/** Rows are the truth, columns the prediction. Left out when wider than `columns`. */
export function confusionLines(run: WireRun, columns: number): string[] {
  const confusion = run.results?.confusionMatrix;
  if (!confusion) return [];
  const labels = confusion.labels.map(safeText);
  const rows = confusion.counts.map((counts, i) => [
    labels[i] ?? '',
    ...counts.map((n) => (n ? String(n) : '·')),
  ]);
  const table = formatTable([['', ...labels], ...rows], new Set(['', ...labels].keys()));
  if (table.some((line) => line.length > columns)) return [];
  return [`Confusion on the ${safeText(confusion.part)} part (rows: truth, columns: prediction)`, ...table];
}

/** Everything about one run, for `trainyard show`. */
export function runLines(run: WireRun, columns: number): string[] {
  const waited = secondsBetween(run.createdAt, run.startedAt);
  const took = secondsBetween(run.startedAt, run.finishedAt);
  const metadata = Object.entries(run.metadata).map(([name, value]) => `${name}=${value}`);
  const best = run.bestEpoch === null ? '' : `, best ${run.bestEpoch}`;
  const facts: [string, string | null][] = [
    ['run', run.id],
    ['status', describeStatus(run)],
    ['failure', run.failure?.detail ?? null],
    ['epochs', `${run.epoch} of ${run.epochs}${best}`],
    ['budget', describeBudget(run)],
    ['created', formatTime(run.createdAt)],
    ['waited', waited === null ? null : formatDuration(waited)],
    ['trained', took === null ? null : formatDuration(took)],
    ['tags', run.tags.join(', ') || null],
    ['metadata', metadata.join(', ') || null],
    ['dataset', run.spec?.data.dataset ?? null],
    ['weights', run.weightsSha256 === null ? null : `sha256 ${run.weightsSha256}`],
  ];
  const shown = facts.flatMap(([name, value]) =>
    value === null ? [] : [`  ${name.padEnd(9)}${safeText(value)}`],
  );
  const blocks = [resultLines(run), confusionLines(run, columns - 2)];
  const indented = blocks.flatMap((lines) => (lines.length ? ['', ...lines.map((line) => `  ${line}`)] : []));
  return [safeText(run.name), ...shown, ...indented];
}

function describeBudget({ spec }: WireRun): string | null {
  const { seconds, epochs } = spec?.training?.budget ?? {};
  const limits = [
    ...(seconds === undefined
      ? []
      : [`${seconds < 1 ? `${seconds} s` : formatDuration(seconds)} of training`]),
    ...(epochs === undefined ? [] : [`${epochs} ${epochs === 1 ? 'epoch' : 'epochs'}`]),
  ];
  return limits.length === 0 ? null : limits.join(' or ');
}

function secondsBetween(from: string | null, to: string | null): number | null {
  return from === null || to === null ? null : (Date.parse(to) - Date.parse(from)) / 1000;
}
