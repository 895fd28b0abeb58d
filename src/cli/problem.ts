// Turns what can go wrong between the command and the service into text that says what to do.
import { z } from 'zod';
import { CliFailure } from './failure.ts';
import { safeLines } from './text.ts';

const problemSchema = z.object({
  title: z.string(),
  status: z.number().optional(),
  detail: z.string().optional(),
  code: z.string().optional(),
  requestId: z.string().optional(),
  errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
});

export interface ServiceAddress {
  readonly url: string;
  readonly key: string | null;
  /** Where the key was found, in words. */
  readonly keySource: string;
}

/** An answer of 4xx or 5xx. `retryable`: the same request may succeed later. */
export class ServiceFailure extends CliFailure {
  readonly status: number;
  readonly code: string | null;

  constructor(message: string, status: number, code: string | null) {
    super(message);
    this.name = 'ServiceFailure';
    this.status = status;
    this.code = code;
  }

  get retryable(): boolean {
    return this.status === 429 || this.status >= 500;
  }
}

/** Reads the body of a refused request (problem+json, or whatever a proxy put there). */
export async function readProblem(response: Response, address: ServiceAddress): Promise<ServiceFailure> {
  const body = await response.text().catch(() => '');
  const problem = problemSchema.safeParse(parseJson(body)).data;
  const { status } = response;
  const code = problem?.code ?? null;
  const said = (text: string) => new ServiceFailure(safeLines(text), status, code);
  if (status === 401) return said(describeRefusedKey(address));
  if (!problem) {
    return said(`${address.url} answered ${status} ${response.statusText}: is this Trainyard's address?`);
  }
  const lines = [problem.detail ? `${problem.title}: ${problem.detail}` : problem.title];
  for (const { pointer, detail } of problem.errors ?? []) lines.push(`  ${pointer}  ${detail}`);
  if (status >= 500 && problem.requestId) lines.push(`  request ${problem.requestId}: see the service's log`);
  const wait = response.headers.get('retry-after');
  if (status === 429 && wait) lines.push(`  Try again in ${wait} s.`);
  return said(lines.join('\n'));
}

/** For requests that got no answer at all. */
export function describeNoAnswer(error: unknown, address: ServiceAddress): CliFailure {
  const code = networkCode(error);
  const reason = code === 'ECONNREFUSED' ? 'nothing listens there' : (code ?? String(error));
  return new CliFailure(
    safeLines(
      [
        `No answer from ${address.url} (${reason}).`,
        '  Start the service with `npx trainyard up`, or name another with --url or',
        '  TRAINYARD_URL.',
      ].join('\n'),
    ),
  );
}

function describeRefusedKey(address: ServiceAddress): string {
  if (address.key === null) {
    return [
      `${address.url} wants a key, and none was given.`,
      '  Set TRAINYARD_API_KEY. A service keeps its first key in the file `admin-key`',
      '  of its data folder.',
    ].join('\n');
  }
  return `${address.url} refused the key from ${address.keySource}.`;
}

// fetch() hides the reason in its cause; for a name with two addresses in an AggregateError there.
function networkCode(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return networkCode(error.cause);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
