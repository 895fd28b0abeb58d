// A client that never gives up: it repeats a submit under its key until it is answered, and keeps a log of every
// write that the service acknowledged.
import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { type Seed, type Shape, specOf } from './shapes.ts';

export interface Answer {
  readonly status: number;
  readonly body: { readonly id?: string; readonly status?: string; readonly code?: string };
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** How the run may end: `same` is a success with the undisturbed weights. */
export type Expectation = 'same' | 'any' | { readonly failed: string };

export interface Acknowledged {
  readonly runId: string;
  readonly shape: Shape;
  readonly seed: Seed;
  readonly expectation: Expectation;
}

export interface SubmitOptions {
  readonly key?: string;
  readonly expectation?: Expectation;
}

export interface Client {
  readonly acknowledged: readonly Acknowledged[];
  /** One try. Rejects when there is no whole answer; an accepted run goes to the log. */
  attempt(shape: Shape, seed: Seed, options?: SubmitOptions): Promise<Answer>;
  /** The run's id, with as many tries as it takes. */
  submit(shape: Shape, seed: Seed, options?: SubmitOptions): Promise<string>;
  ask(method: string, path: string): Promise<Answer>;
}

export interface ClientOptions {
  readonly url: () => string;
  readonly apiKey: string;
  readonly dataset: string;
}

const submitMsMax = 120_000;
const retryMs = 200;

export function createClient({ url, apiKey, dataset }: ClientOptions): Client {
  const acknowledged = new Map<string, Acknowledged>();
  const headers = { authorization: `Bearer ${apiKey}` };

  const attempt = async (shape: Shape, seed: Seed, options: SubmitOptions = {}): Promise<Answer> => {
    const { key = randomUUID(), expectation = 'same' } = options;
    const body = JSON.stringify(specOf(shape, seed, dataset));
    const answer = await askHttp(`${url()}/v1/runs`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', 'idempotency-key': key },
      body,
    });
    const { id } = answer.body;
    if (answer.status === 201 && id !== undefined) {
      acknowledged.set(id, { runId: id, shape, seed, expectation });
    }
    return answer;
  };

  return {
    get acknowledged() {
      return [...acknowledged.values()];
    },
    attempt,
    submit: async (shape, seed, options = {}) => {
      const key = options.key ?? randomUUID();
      const giveUpAt = performance.now() + submitMsMax;
      for (;;) {
        const answer = await attempt(shape, seed, { ...options, key }).catch((error: unknown) =>
          String(error),
        );
        if (typeof answer !== 'string' && answer.status === 201 && answer.body.id !== undefined) {
          return answer.body.id;
        }
        const passing = typeof answer === 'string' || answer.status >= 500 || answer.status === 409;
        if (!passing || performance.now() > giveUpAt) {
          throw new Error(`a submit got ${typeof answer === 'string' ? answer : JSON.stringify(answer)}`);
        }
        await wait(retryMs);
      }
    },
    ask: (method, path) => askHttp(`${url()}${path}`, { method, headers }),
  };
}

export interface HttpRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** On a connection of its own, so that a restarted service is never asked on a dead one. */
export function askHttp(url: string, { method, headers, body }: HttpRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const asked = request(url, { method, agent: false, headers: { ...headers, ...length } }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      answer.on('error', reject);
      answer.on('end', () => {
        const parsed = answer.headers['content-type']?.includes('json') ? JSON.parse(text) : {};
        resolve({ status: answer.statusCode ?? 0, body: parsed, headers: answer.headers });
      });
    });
    asked.setTimeout(60_000, () => asked.destroy(new Error('no answer in 60 s')));
    asked.on('error', reject).end(body);
  });
}
