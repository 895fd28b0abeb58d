// A run's progress: one redrawn bar on a live terminal, a plain table anywhere else.
import type { Terminal } from './terminal.ts';
import { fitText, formatDuration, formatNumber, safeText, spacedWords } from './text.ts';
import type { EpochEvent } from './wire.ts';

export interface Progress {
  status(text: string): void;
  epoch(event: EpochEvent): void;
  /** Takes the bar away and draws nothing until `resume`: a question stands in its place. */
  hold(): void;
  resume(): void;
  /** Shows the last epoch, if it was left out or only drawn, and ends the display. */
  end(): void;
}

/** `now` in milliseconds, from any start. */
export function createProgress(terminal: Terminal, now: () => number = () => performance.now()): Progress {
  return terminal.live ? createBar(terminal, now) : createLines(terminal, now);
}

/** Bar, epochs, as many numbers as fit, time left: never wider than `columns`. */
export function renderBar(
  event: EpochEvent,
  etaSeconds: number | null,
  columns: number,
  unicode: boolean,
): string {
  const width = columns - 3; // the terminal itself writes ^C behind the bar, and must not wrap
  const epochs = String(event.epochs);
  const count = `${String(event.epoch).padStart(epochs.length)}/${epochs}`;
  const left = etaSeconds === null ? '' : `  ${formatDuration(etaSeconds)} left`;
  const barMin = 10;
  let numbers = '';
  for (const [name, value] of shownMetrics(event.metrics)) {
    const more = `  ${shortName(name)} ${formatNumber(value)}`;
    if (barMin + 2 + count.length + numbers.length + more.length + left.length > width) break;
    numbers += more;
  }
  const room = width - count.length - numbers.length - left.length - 1;
  const cells = Math.max(Math.min(room, 30), Math.min(barMin, room));
  if (cells < 4) return fitText(`${count}${left}`, width);
  const full = Math.round((cells * event.epoch) / Math.max(event.epochs, 1));
  const [on, off] = unicode ? ['█', '░'] : ['#', '.'];
  return `${on.repeat(full)}${off.repeat(cells - full)} ${count}${numbers}${left}`;
}

/** Column heads and one row per epoch, right-aligned: `epoch  loss  accuracy  val loss …`. */
export function renderRow(event: EpochEvent, etaSeconds: number | null): { head: string; row: string } {
  const epochs = String(event.epochs);
  const cells: [string, string][] = [['epoch', `${event.epoch}/${epochs}`.padStart(2 * epochs.length + 1)]];
  for (const [name, value] of shownMetrics(event.metrics)) cells.push([shortName(name), formatNumber(value)]);
  cells.push(['left', etaSeconds === null ? '' : formatDuration(etaSeconds)]);
  const widths = cells.map(([name, text]) => Math.max(name.length, text.length, 9));
  const line = (pick: 0 | 1) =>
    cells
      .map((cell, i) => cell[pick].padStart(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  return { head: line(0), row: line(1) };
}

/** Loss first, then each metric, then the same on the validation part; the rate is left to `show`. */
export function shownMetrics(metrics: EpochEvent['metrics']): [string, number | null][] {
  const rank = (name: string) => (name.startsWith('validation') ? 2 : 0) + (/loss$/i.test(name) ? 0 : 1);
  return Object.entries(metrics)
    .filter(([name]) => name !== 'learningRate')
    .sort(([a], [b]) => rank(a) - rank(b));
}

function shortName(metric: string): string {
  return safeText(spacedWords(metric).replace(/^validation /, 'val '));
}

function createBar(terminal: Terminal, now: () => number): Progress {
  const eta = createEta(now);
  const drawEveryMs = 50;
  let drawnAt = Number.NEGATIVE_INFINITY;
  let last: EpochEvent | null = null;
  let isDrawn = false;
  let isHeld = false;
  const draw = (text: string) => {
    if (isHeld) return;
    terminal.note(`\r\u001b[K${text}`);
    isDrawn = true;
  };
  const clear = () => {
    if (isDrawn) terminal.note('\r\u001b[K');
    isDrawn = false;
  };
  return {
    status: (text) => draw(fitText(text, terminal.columns - 1)),
    epoch(event) {
      last = event;
      const etaSeconds = eta(event);
      if (now() - drawnAt < drawEveryMs && event.epoch < event.epochs) return;
      drawnAt = now();
      draw(renderBar(event, etaSeconds, terminal.columns, terminal.unicode));
    },
    hold() {
      clear();
      isHeld = true;
    },
    resume() {
      isHeld = false;
      drawnAt = Number.NEGATIVE_INFINITY;
    },
    end() {
      isHeld = false;
      if (last) draw(`${renderBar(last, null, terminal.columns, terminal.unicode)}\n`);
      else clear();
      isDrawn = false;
    },
  };
}

// About a hundred rows whatever the number of epochs; but never silent for long.
function createLines(terminal: Terminal, now: () => number): Progress {
  const eta = createEta(now);
  const silentMsMax = 2_000;
  let writtenAt = Number.NEGATIVE_INFINITY;
  let skipped: EpochEvent | null = null;
  let hasHead = false;
  const write = (event: EpochEvent, etaSeconds: number | null) => {
    const rendered = renderRow(event, etaSeconds);
    if (!hasHead) terminal.note(`${rendered.head}\n`);
    hasHead = true;
    terminal.note(`${rendered.row}\n`);
    writtenAt = now();
    skipped = null;
  };
  return {
    status: (text) => terminal.note(`${text}\n`),
    epoch(event) {
      const etaSeconds = eta(event);
      const stride = Math.ceil(event.epochs / 100);
      const isDue = event.epoch === 1 || event.epoch === event.epochs || event.epoch % stride === 0;
      if (isDue || now() - writtenAt >= silentMsMax) write(event, etaSeconds);
      else skipped = event;
    },
    hold: () => undefined,
    resume: () => undefined,
    end() {
      if (skipped) write(skipped, null);
    },
  };
}

// The service's own estimate where it sends one; else from the pace seen here.
function createEta(now: () => number): (event: EpochEvent) => number | null {
  let first: { epoch: number; at: number } | null = null;
  return (event) => {
    if (event.epoch >= event.epochs) return null;
    if (typeof event.etaSeconds === 'number') return event.etaSeconds;
    first ??= { epoch: event.epoch, at: now() };
    const seen = event.epoch - first.epoch;
    return seen === 0 ? null : ((now() - first.at) / 1000 / seen) * (event.epochs - event.epoch);
  };
}
