import { CommanderError } from 'commander';
import { expect, it } from 'vitest';
import { engineNames } from '../../bench/engines.ts';
import { type Options, parseOptions } from '../../bench/options.ts';

function parse(line: string): { options: Options | null; out: string; error: string } {
  const written = { out: '', error: '' };
  const write = {
    out: (text: string) => {
      written.out += text;
    },
    error: (text: string) => {
      written.error += text;
    },
  };
  const args = line === '' ? [] : line.split(' ');
  try {
    return { options: parseOptions(args, write), ...written };
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { options: null, ...written };
  }
}

it('times every engine on every job at one and two threads unless told otherwise', () => {
  expect(parse('').options).toMatchObject({
    jobs: ['A', 'B', 'C', 'D', 'E'],
    engines: [...engineNames],
    threads: [1, 2],
    out: null,
    peers: null,
  });
});

it('takes what it is told', () => {
  const line =
    '--jobs EA --engines torch,wasm --threads 2 --rounds 3 --seconds 0.5 --patience 0 --peers p --python py --out f.json';
  expect(parse(line).options).toEqual({
    jobs: ['A', 'E'],
    engines: ['wasm', 'torch'],
    threads: [2],
    rounds: 3,
    seconds: 0.5,
    patience: 0,
    peers: 'p',
    python: 'py',
    out: 'f.json',
  });
});

it.each([
  ['--jobs AX', 'no job "X"; there are A, B, C, D, E'],
  ['--engines wasm,pytorch', 'no engine "pytorch"; there are native, wasm, torch'],
  ['--rounds 0', 'above 0'],
  ['--rounds 1.5', 'whole number'],
  ['--seconds soon', 'above 0'],
  ['--patience -1', 'above 0'],
  ['--threads 1,two', 'above 0'],
  ['--outt f.json', "unknown option '--outt'"],
  ['A', 'too many arguments'],
])('refuses %s with one line', (line, words) => {
  const { options, error } = parse(line);
  expect(options).toBeNull();
  expect(error).toContain(words);
  expect(error.trim().split('\n').length, error).toBeLessThanOrEqual(2);
});

it('helps in 80 columns, and names the packages of the peers', () => {
  const { out } = parse('--help');
  expect(out).toContain('@tensorflow/tfjs-backend-wasm');
  expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
});
