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
    const everything = { kind: 'experiments', only: experimentIds, queues: ['redis', 'postgres'], out: null };
    expect(parse('--quick').options).toEqual({ ...everything, mode: 'quick' });
    expect(parse('--full').options).toEqual({ ...everything, mode: 'full' });
  });

  it('does what it is asked for, in the order of the table', () => {
    const { options } = parse('--full', '--only', 'f5, F1', '--queue', 'redis', '--out', 'rows.json');
    const wanted = { mode: 'full', only: ['F1', 'F5'], queues: ['redis'], out: 'rows.json' };
    expect(options).toEqual({ kind: 'experiments', ...wanted });
  });

  it('soaks for so many minutes, on Redis unless told', () => {
    const soak = { kind: 'soak', minutes: 60, seed: 7, out: null };
    expect(parse('--soak', '60', '--seed', '7').options).toEqual({ ...soak, queue: 'redis' });
    const { options } = parse('--soak', '60', '--seed', '7', '--queue', 'postgres');
    expect(options).toEqual({ ...soak, queue: 'postgres' });
    expect(parse('--soak', '1').options).toMatchObject({ seed: expect.any(Number) });
  });

  it.each([
    [[], '--quick, --full or --soak is wanted'],
    [['--soak', '0'], 'a whole number from 1 to 600'],
    [['--soak', '601'], 'a whole number from 1 to 600'],
    [['--soak', '5', '--quick'], "cannot be used with option '--quick'"],
    [['--soak', '5', '--only', 'F1'], "cannot be used with option '--only"],
    [['--quick', '--seed', '1'], "cannot be used with option '--quick'"],
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
