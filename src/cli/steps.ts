// Steps of a longer job: what is being done, that it still goes on, and how long it took.
import type { Terminal } from './terminal.ts';
import { formatDuration, safeLines } from './text.ts';

export interface Steps {
  /** Runs `work`; on a live terminal the seconds count up meanwhile. */
  run<T>(text: string, work: () => Promise<T>, describe?: (result: T) => string): Promise<T>;
}

export function createSteps(terminal: Terminal): Steps {
  return {
    async run(text, work, describe = () => '') {
      const startedAt = performance.now();
      const seconds = () => (performance.now() - startedAt) / 1000;
      const label = text.padEnd(38);
      const redraw = () => terminal.note(`\r\u001b[K  ${label}${formatDuration(seconds())}`);
      if (!terminal.live) terminal.note(`  ${text} ...\n`);
      const ticking = terminal.live ? setInterval(redraw, 100) : undefined;
      try {
        if (terminal.live) redraw();
        const result = await work();
        const said = safeLines(describe(result));
        if (terminal.live) terminal.note(`\r\u001b[K  ${label}${said || formatDuration(seconds())}\n`);
        else if (said) terminal.note(`    ${said}\n`);
        return result;
      } catch (error) {
        if (terminal.live) terminal.note(`\r\u001b[K  ${label}failed\n`);
        throw error;
      } finally {
        clearInterval(ticking);
      }
    },
  };
}
