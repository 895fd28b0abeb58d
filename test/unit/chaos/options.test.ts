import { describe, expect, it } from 'vitest';
import { experimentIds } from '../../chaos/experiments/registry.ts';
import { parseOptions } from '../../chaos/options.ts';

function parse(...args: string[]) {
  let text = '';
  const write = (written: string) => {
    text += written;
  };
  try {
    return { options: parseOptions(args, { out: write, error: write }), text };
  } catch {
    return { options: null, text };
  }
}

describe('npm run chaos', () => {
  it('does everything on both queues', () => {
    const everything = { only: experimentIds, queues: ['redis', 'postgres'], out: null };
    expect(parse('--quick').options).toEqual({ ...everything, mode: 'quick' });
    expect(parse('--full').options).toEqual({ ...everything, mode: 'full' });
  });

  it('does what it is asked for, in the order of the table', () => {
    const { options } = parse('--full', '--only', 'f5, F1', '--queue', 'redis', '--out', 'rows.json');
    expect(options).toEqual({ mode: 'full', only: ['F1', 'F5'], queues: ['redis'], out: 'rows.json' });
  });

  it.each([
    [[], '--quick or --full is wanted'],
    [['--quick', '--full'], "cannot be used with option '--full'"],
    [['--quick', '--only', 'F99'], 'There is no experiment "F99"; there are F1,'],
    [['--quick', '--queue', 'kafka'], 'Allowed choices are redis, postgres'],
    [['--quick', 'F1'], 'too many arguments'],
  ])('refuses %j in words', (args, words) => {
    const { options, text } = parse(...args);
    expect(options).toBeNull();
    expect(text).toContain(words);
  });

  it('explains itself', () => {
    expect(parse('--help').text).toContain('--only <ids>');
  });
});
