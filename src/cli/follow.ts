// Watches a run to its end, and settles what Ctrl-C means: cancel the run, or only stop watching.
import type { Api } from './api.ts';
import { type ExitCode, exitCodes } from './failure.ts';
import { createProgress, type Progress } from './progress.ts';
import { describeEnd, describeStatus, isFinal, resultLines } from './report.ts';
import type { StreamedEvent } from './sse.ts';
import type { Terminal } from './terminal.ts';
import { safeText } from './text.ts';
import { epochEventSchema, statusEventSchema, type WireRun } from './wire.ts';

export interface Following {
  readonly api: Api;
  readonly run: WireRun;
  readonly terminal: Terminal;
  /** Each event as one line of JSON on standard output instead of the display. */
  readonly json?: boolean;
}

/** Resolves when the run has ended or the watcher has left. */
export async function followRun(at: Following): Promise<{ exitCode: ExitCode; run: WireRun }> {
  const { api, run, terminal } = at;
  const progress = createProgress(terminal);
  const watching = new AbortController();
  const letGo = handleInterrupts(at, progress, watching);
  const onReconnect = () => {
    if (watching.signal.aborted) return;
    noteBetween(progress, terminal, 'Lost the connection; trying again.');
  };
  try {
    for await (const event of api.events(run.id, watching.signal, onReconnect)) {
      if (at.json) terminal.write(`${eventLine(event)}\n`);
      else showEvent(event, progress);
      if (event.event === 'done') break;
    }
  } finally {
    letGo();
  }
  if (watching.signal.aborted) {
    progress.hold();
    terminal.note(`Stopped watching; the run goes on. Back to it: trainyard logs ${run.id} --follow\n`);
    return { exitCode: exitCodes.stoppedWatching, run };
  }
  if (!at.json) progress.end();
  return finishRun(at);
}

/** The end of a run in words, and as an exit code. */
async function finishRun({
  api,
  run,
  terminal,
  json,
}: Following): Promise<{ exitCode: ExitCode; run: WireRun }> {
  const ended = await api.getRun(run.id);
  if (!json)
    terminal.write([describeEnd(ended), ...resultLines(ended).map((line) => `  ${line}`), ''].join('\n'));
  return { exitCode: ended.status === 'succeeded' ? exitCodes.succeeded : exitCodes.failed, run: ended };
}

export function eventLine(event: StreamedEvent): string {
  return `{"id":${JSON.stringify(event.id)},"type":${JSON.stringify(event.event)},"data":${event.data}}`;
}

/** Kinds of event this version does not know are passed over. */
export function showEvent(event: StreamedEvent, progress: Progress): void {
  if (event.event === 'epoch') {
    const epoch = epochEventSchema.safeParse(JSON.parse(event.data));
    if (epoch.success) progress.epoch(epoch.data);
  }
  if (event.event === 'status') {
    const status = statusEventSchema.safeParse(JSON.parse(event.data));
    if (status.success && !isFinal(status.data.status)) progress.status(waitingText(status.data.status));
  }
}

function waitingText(status: string): string {
  if (status === 'queued') return 'queued: waiting for a free worker';
  if (status === 'paused') return 'paused: `trainyard resume` lets it go on';
  return safeText(status);
}

function noteBetween(progress: Progress, terminal: Terminal, text: string): void {
  progress.hold();
  terminal.note(`${text}\n`);
  progress.resume();
}

// The first Ctrl-C asks, a second one while it asks means "only stop watching".
function handleInterrupts(at: Following, progress: Progress, watching: AbortController): () => void {
  const { api, run, terminal } = at;
  let isAsking = false;
  const onInterrupt = async () => {
    if (isAsking || !terminal.canAsk) return watching.abort();
    isAsking = true;
    progress.hold();
    terminal.note('Cancel the run, or only stop watching? [c/s] (any other key: keep watching) ');
    const key = await terminal.readKey();
    terminal.note('\n');
    isAsking = false;
    progress.resume();
    if (key === null || key === 's') return watching.abort();
    if (key !== 'c') return;
    try {
      const cancelled = await api.controlRun(run.id, 'cancel');
      if (!isFinal(cancelled.status)) noteBetween(progress, terminal, `${describeStatus(cancelled)} …`);
    } catch (error) {
      noteBetween(progress, terminal, error instanceof Error ? error.message : String(error));
    }
  };
  return terminal.onInterrupt(() => void onInterrupt());
}
