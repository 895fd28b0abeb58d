import { describe, expect, it } from 'vitest';
import { createProgress, renderBar, renderRow } from '../../../src/cli/progress.ts';
import type { EpochEvent } from '../../../src/cli/wire.ts';
import { fakeTerminal } from './terminal.ts';

function epochEvent(epoch: number, epochs = 30): EpochEvent {
  const metrics = {
    loss: 0.04123,
    accuracy: 0.98762,
    validationLoss: 0.0601,
    validationAccuracy: 0.9741,
    learningRate: 0.001,
  };
  return { epoch, epochs, metrics };
}

describe('renderBar', () => {
  it('shows epoch, loss, accuracy and time left', () => {
    const bar = renderBar(epochEvent(15), 12, 80, true);
    expect(bar).toMatch(/^█+░+ 15\/30 {2}loss 0\.04123 {2}accuracy 0\.9876 .* 12 s left$/);
    expect(Math.abs(bar.split('█').length - bar.split('░').length)).toBeLessThanOrEqual(1);
  });

  it.each([30, 40, 60, 80, 120, 200])('fits %i columns without filling the last one', (columns) => {
    for (const epoch of [1, 15, 30]) {
      expect(renderBar(epochEvent(epoch), 3723, columns, true).length).toBeLessThan(columns);
    }
  });

  it('draws with plain characters where the terminal has no others', () => {
    expect(renderBar(epochEvent(15), null, 80, false)).toMatch(/^#+\.+ 15\/30/);
  });

  it('shows a number that is not finite as a dash', () => {
    const event = { ...epochEvent(2), metrics: { loss: null } };
    expect(renderBar(event, null, 80, true)).toContain('loss –');
  });
});

describe('renderRow', () => {
  it('sets numbers below their heads', () => {
    const { head, row } = renderRow(epochEvent(3), 4.2);
    expect(head.trim().split(/ {2,}/)).toEqual([
      'epoch',
      'loss',
      'accuracy',
      'val loss',
      'val accuracy',
      'left',
    ]);
    expect(row.trim().split(/ {2,}/)).toEqual(['3/30', '0.04123', '0.9876', '0.06010', '0.9741', '4.2 s']);
    expect(row.indexOf('0.9876') + 6).toBe(head.indexOf('accuracy') + 8);
    expect(head.length).toBeLessThanOrEqual(80);
  });
});

describe('createProgress', () => {
  it('writes every epoch of a short run as plain lines', () => {
    const terminal = fakeTerminal();
    const progress = createProgress(terminal, () => 0);
    for (let epoch = 1; epoch <= 30; epoch++) progress.epoch(epochEvent(epoch));
    progress.end();
    expect(terminal.noted().trimEnd().split('\n')).toHaveLength(31);
    expect(terminal.noted()).not.toContain('\u001b');
  });

  it('thins out a long run but shows its first and last epoch', () => {
    const terminal = fakeTerminal();
    const progress = createProgress(terminal, () => 0);
    for (let epoch = 1; epoch <= 4321; epoch++) progress.epoch(epochEvent(epoch, 5000));
    progress.end();
    const lines = terminal.noted().trimEnd().split('\n');
    expect(lines.length).toBeLessThan(102);
    expect(lines[1]).toContain('1/5000');
    expect(lines.at(-1)).toContain('4321/5000');
  });

  it('is never silent for long, however slow the epochs are', () => {
    const terminal = fakeTerminal();
    let nowMs = 0;
    const progress = createProgress(terminal, () => nowMs);
    for (let epoch = 1; epoch <= 5; epoch++) {
      progress.epoch(epochEvent(epoch, 5000));
      nowMs += 3000;
    }
    expect(terminal.noted().trimEnd().split('\n')).toHaveLength(6);
  });

  it('estimates the time left from the pace when the service sends none', () => {
    const terminal = fakeTerminal();
    let nowMs = 0;
    const progress = createProgress(terminal, () => nowMs);
    for (let epoch = 1; epoch <= 3; epoch++) {
      progress.epoch(epochEvent(epoch, 23));
      nowMs += 2000;
    }
    expect(terminal.noted()).toMatch(/3\/23.* 40 s\n$/);
  });

  it('redraws one line on a live terminal, draws nothing while held, and leaves the last state', () => {
    const terminal = fakeTerminal({ live: true });
    let nowMs = 0;
    const progress = createProgress(terminal, () => nowMs);
    progress.epoch(epochEvent(1));
    progress.hold();
    nowMs = 1000;
    const before = terminal.noted();
    expect(before.endsWith('\r\u001b[K')).toBe(true);
    progress.epoch(epochEvent(2));
    expect(terminal.noted()).toBe(before);
    progress.resume();
    progress.end();
    expect(terminal.noted().split('\n')).toHaveLength(2);
    expect(terminal.noted()).toMatch(/ 2\/30 [^\r]*\n$/);
  });
});
