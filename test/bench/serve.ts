/**
 * Entry of an engine's process: `node serve.js <module> [arguments]`. The module exports
 * `createTrainee(arguments): Promise<Trainee>`; this loop answers the harness's requests with it.
 */
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { type About, request } from './protocol.ts';
import { type Epoch, type Trainee, timeSlice } from './trainee.ts';

const WARM_UP_MS = 300;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Answers one line. */
function createResponder(trainee: Trainee): (line: string) => Promise<object> {
  const prepared = new Map<string, Epoch>();
  return async (line) => {
    const asked = request.parse(JSON.parse(line));
    switch (asked.command) {
      case 'modes':
        return { modes: trainee.modes(asked.job) };
      case 'prepare': {
        const epoch = await trainee.prepare(asked.job, asked.mode);
        const deadline = performance.now() + WARM_UP_MS;
        do {
          await epoch(deadline);
        } while (performance.now() < deadline);
        prepared.set(`${asked.job} ${asked.mode}`, epoch);
        return {};
      }
      case 'slice': {
        const epoch = prepared.get(`${asked.job} ${asked.mode}`);
        if (epoch === undefined) throw new Error(`${asked.job} was not prepared in mode ${asked.mode}`);
        return timeSlice(epoch, asked.seconds, asked.grain);
      }
      case 'forget':
        prepared.clear();
        return {};
      default:
        return asked satisfies never;
    }
  };
}

async function serve(modulePath: string, args: readonly string[]): Promise<void> {
  const say = (answer: object) => process.stdout.write(`${JSON.stringify(answer)}\n`);
  let trainee: Trainee;
  try {
    const module: { createTrainee(args: readonly string[]): Promise<Trainee> } = await import(
      pathToFileURL(modulePath).href
    );
    trainee = await module.createTrainee(args);
  } catch (error) {
    say({ unavailable: messageOf(error) } satisfies About);
    return;
  }
  say({ version: trainee.version, notes: [...trainee.notes] } satisfies About);
  const respond = createResponder(trainee);
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      say(await respond(line));
    } catch (error) {
      say({ error: messageOf(error) });
    }
  }
}

const [modulePath, ...args] = process.argv.slice(2);
if (modulePath === undefined) throw new Error('usage: serve <module> [arguments]');
await serve(modulePath, args);
process.exit(0);
