import { describe, expect, it } from 'vitest';
import { type ReportRow, rowPasses, tableOf } from '../../chaos/report.ts';

const row: ReportRow = {
  id: 'F1',
  queue: 'redis',
  repetitions: 4,
  violations: 0,
  recoverySecondsMax: 21.2,
  boundSeconds: 40,
};

describe('a row of the chaos report', () => {
  it('passes without violations and within its bound', () => {
    expect(rowPasses(row)).toBe(true);
    expect(rowPasses({ ...row, violations: 1 })).toBe(false);
    expect(rowPasses({ ...row, recoverySecondsMax: 40.1 })).toBe(false);
    expect(rowPasses({ ...row, boundSeconds: null })).toBe(true);
  });

  it('that measured no recovery where one was due does not pass', () => {
    expect(rowPasses({ ...row, recoverySecondsMax: null })).toBe(false);
    expect(rowPasses({ ...row, recoverySecondsMax: null, boundSeconds: null })).toBe(true);
    expect(rowPasses({ ...row, recoverySecondsMax: null, impossible: 'no disk' })).toBe(true);
  });

  it('is a line of the table', () => {
    const failed = { ...row, id: 'F12', violations: 3, recoverySecondsMax: null, boundSeconds: null };
    const impossible = { ...row, repetitions: 0, recoverySecondsMax: null, impossible: 'no disk' };
    const silenced: ReportRow = { ...row, id: 'F9', by: 'namespace' };
    expect(tableOf([row, failed, impossible, silenced])).toEqual([
      '| id  | queue | repetitions | violations | longest recovery s | bound s | by        |                   |',
      '| --- | ----- | ----------- | ---------- | ------------------ | ------- | --------- | ----------------- |',
      '| F1  | redis | 4           | 0          | 21.2               | 40      | –         | ok                |',
      '| F12 | redis | 4           | 3          | –                  | –       | –         | FAILED            |',
      '| F1  | redis | 0           | 0          | –                  | 40      | –         | not possible here |',
      '| F9  | redis | 4           | 0          | 21.2               | 40      | namespace | ok                |',
    ]);
  });
});
