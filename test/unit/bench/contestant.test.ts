import { expect, it, onTestFinished } from 'vitest';
import { type Contestant, openContestant } from '../../bench/contestant.ts';

const open = async (script: string): Promise<Contestant | string> => {
  const command = { program: process.execPath, args: ['-e', script], env: process.env };
  const opened = await openContestant('wasm', 1, command);
  if (typeof opened !== 'string') onTestFinished(opened.close);
  return opened;
};

const greeting = `console.log('{"version":"1.2","notes":["a note"]}');`;
const answering = (body: string) =>
  `${greeting} require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const request = JSON.parse(line); ${body} });`;

it('asks its process line by line', async () => {
  const opened = await open(
    answering(`console.log(JSON.stringify(request.command === 'modes' ? { modes: [request.job + '!'] }
      : request.command === 'slice' ? { samples: [{ steps: 3, seconds: request.seconds }], cpuSeconds: 1 }
      : {}));`),
  );
  if (typeof opened === 'string') throw new Error(opened);
  expect([opened.version, opened.notes]).toEqual(['1.2', ['a note']]);
  expect(await opened.modes('B')).toEqual(['B!']);
  await opened.prepare('B', 'B!');
  const slice = await opened.slice('B', 'B!', { seconds: 0.5, grain: 0.1 });
  expect(slice).toEqual({ samples: [{ steps: 3, seconds: 0.5 }], cpuSeconds: 1 });
});

it('throws what its process answers instead', async () => {
  const opened = await open(answering(`console.log('{"error":"no such kernel"}');`));
  if (typeof opened === 'string') throw new Error(opened);
  await expect(opened.prepare('B', 'run')).rejects.toThrow('no such kernel');
});

it('throws the last words of a process that ends', async () => {
  const opened = await open(answering(`console.error('killed: memory'); process.exit(1);`));
  if (typeof opened === 'string') throw new Error(opened);
  await expect(opened.prepare('B', 'run')).rejects.toThrow('killed: memory');
});

it('says why an engine is not available', async () => {
  expect(await open(`console.log('{"unavailable":"no AVX"}')`)).toBe('no AVX');
  expect(await open(`console.error('Traceback\\nModuleNotFoundError: torch'); process.exit(1)`)).toBe(
    'ModuleNotFoundError: torch',
  );
  const missing = { program: '/nowhere/python3', args: [], env: process.env };
  expect(await openContestant('torch', 1, missing)).toContain('ENOENT');
});
