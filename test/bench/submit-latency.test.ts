// Submit → first epoch stored, for iris through the whole service on its embedded defaults: from the client's
// POST to its hearing of the stored epoch over SSE. Wants an idle machine: `npm run bench:service`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/package-root.ts';
import { dataFolder, startCommand } from '../flow/support/command.ts';
import { until } from '../flow/support/lifecycle.ts';

const runs = 21;

it('stores the first epoch of iris within a quarter of a second of its submission, in the median', async () => {
  const data = dataFolder();
  const env = { DATA_DIR: data.path, LOG_LEVEL: 'warn' };
  const up = startCommand('src/cli/main.js', ['up', '--port', '0'], env);
  try {
    await until(() => up.output().includes('listens on'), 'the service', 120_000);
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(up.output())?.[0] ?? '';
    const authorization = `Bearer ${readFileSync(join(data.path, 'admin-key'), 'utf8').trim()}`;
    const post = async (path: string, type: string, body: string) => {
      const response = await fetch(`${url}${path}`, {
        method: 'POST',
        headers: { authorization, 'content-type': type },
        body,
      });
      const answer = (await response.json()) as { id: string };
      expect(response.status, JSON.stringify(answer)).toBe(201);
      return answer.id;
    };
    const examples = join(packageRoot(), 'examples');
    const csv = readFileSync(join(examples, 'data', 'iris.csv'), 'utf8');
    const dataset = await post('/v1/datasets?name=iris', 'text/csv', csv);
    const spec = JSON.parse(readFileSync(join(examples, 'iris.json'), 'utf8'));
    const body = JSON.stringify({ ...spec, data: { ...spec.data, dataset } });
    const latencies: number[] = [];
    for (let i = 0; i < runs; i++) {
      const before = Date.now();
      const id = await post('/v1/runs', 'application/json', body);
      const response = await fetch(`${url}/v1/runs/${id}/events`, {
        headers: { authorization, accept: 'text/event-stream' },
      });
      let text = '';
      let seen: number | null = null;
      for await (const chunk of response.body ?? []) {
        text += Buffer.from(chunk).toString();
        if (seen === null && /^event: ?epoch$/m.test(text)) seen = Date.now();
      }
      latencies.push((seen ?? Number.POSITIVE_INFINITY) - before);
    }
    latencies.sort((a, b) => a - b);
    const median = latencies[runs >> 1] ?? Number.NaN;
    console.log(`submit → first epoch heard by the client, ${runs} runs of iris:`);
    console.log(`  min ${latencies[0]} ms, median ${median} ms, max ${latencies.at(-1)} ms`);
    expect(median).toBeLessThanOrEqual(250);
  } finally {
    up.child.kill('SIGTERM');
    await up.exitCode;
    data.remove();
  }
});
