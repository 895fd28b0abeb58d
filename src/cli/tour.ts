// The quickstart's story: start the service, upload, train, look at rows the training never saw,
// save the weights, stop. A failure stops the service too, and says where its log is.
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLog } from '../log.ts';
import { packageRoot } from '../package-root.ts';
import { startService } from '../supervisor.ts';
import { type Environment, readKeyFile, resolveAddress } from './address.ts';
import { type Api, createApi } from './api.ts';
import { readConfig } from './commands/up.ts';
import { saveWhole } from './commands/weights.ts';
import { drawImages } from './digit-image.ts';
import { type ExitCode, exitCodes } from './failure.ts';
import { followRun } from './follow.ts';
import { heldOutRows } from './held-out.ts';
import { isPortFree } from './port.ts';
import { noteService, readServiceFile } from './service-file.ts';
import { applyChanges, readBytes, readSpec } from './spec-file.ts';
import { createSteps, type Steps } from './steps.ts';
import type { Terminal } from './terminal.ts';
import { formatBytes, formatNumber, shortPath } from './text.ts';
import type { WireRun } from './wire.ts';

interface Tour {
  readonly terminal: Terminal;
  readonly env: Environment;
}

interface Service {
  readonly api: Api;
  stop(): Promise<void>;
}

/** Exit code 0 when everything was shown; the service it started is stopped in every case. */
export async function runQuickstart(tour: Tour): Promise<ExitCode> {
  const { terminal } = tour;
  const steps = createSteps(terminal);
  const config = readConfig(tour.env);
  const logPath = join(config.dataDir, 'quickstart.log');
  let service: Service | undefined;
  // A Ctrl-C while something starts takes effect when it has started: nothing may be left half-way.
  const leaving = { now: false };
  const letGo = terminal.onInterrupt(() => {
    leaving.now = true;
  });
  try {
    terminal.note('\nTrainyard quickstart: learn to read handwritten digits\n\n');
    service = await openService(tour, steps, logPath);
    const submitted = leaving.now ? null : await submitDigits(service.api, steps);
    letGo();
    if (leaving.now || submitted === null) return exitCodes.stoppedWatching;
    terminal.note('\n');
    const { exitCode, run } = await followRun({ api: service.api, run: submitted, terminal });
    if (exitCode === exitCodes.succeeded) {
      showAccuracy(run, terminal);
      await showPredictions(service.api, run, terminal);
      await saveWeights(service.api, run, join(config.dataDir, 'quickstart'), terminal);
      terminal.write(nextSteps);
    }
    return exitCode;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    terminal.note(`\n${text}\nMore about it: ${shortPath(logPath)}\n`);
    return exitCodes.failed;
  } finally {
    letGo();
    await service?.stop();
  }
}

const nextSteps = `
Explore further:
  npm start               the service, to stay; its API reference is at /docs
  npx trainyard --help    train your own CSV file from the command line
  README.md               the same with curl, and every setting
`;

/** The folder's own service if it runs; otherwise one that lives as long as the tour. */
async function openService({ env }: Tour, steps: Steps, logPath: string): Promise<Service> {
  const config = readConfig(env);
  const running = readServiceFile(config.dataDir);
  if (running) {
    const api = createApi(resolveAddress(running.url, env));
    if (await api.isReady()) {
      await steps.run(
        'Using the service that already runs',
        async () => running.url,
        (url) => url,
      );
      return { api, stop: async () => {} };
    }
  }
  mkdirSync(config.dataDir, { recursive: true });
  writeFileSync(logPath, '');
  const log = createLog('info', 'trainyard', { write: (line) => appendFileSync(logPath, line) });
  const port = (await isPortFree(config.host, config.port)) ? config.port : 0;
  const isFirst = readKeyFile(join(config.dataDir, 'admin-key')) === null;
  const text = isFirst ? 'Starting (first time: new database)' : 'Starting the service';
  const started = await steps.run(
    text,
    () => startService({ ...config, port }, { log }),
    ({ url }) => url,
  );
  const forget = noteService(config.dataDir, started.url);
  const address = { url: started.url, key: started.apiKey, keySource: 'the service' };
  return {
    api: createApi(address),
    async stop() {
      await steps.run('Stopping the service', () => started.stop());
      forget();
    },
  };
}

async function submitDigits(api: Api, steps: Steps): Promise<WireRun> {
  const dataset = await steps.run(
    'Uploading examples/data/digits.csv',
    () => api.uploadDataset(new Uint8Array(readBytes(exampleData())), 'digits.csv'),
    ({ rowCount, columns }) => `${rowCount} rows, ${columns.length} columns`,
  );
  return steps.run(
    'Submitting examples/digits.json',
    () => api.createRun(applyChanges(readExampleSpec(), [`data.dataset=${dataset.id}`])),
    ({ id }) => id,
  );
}

function showAccuracy(run: WireRun, terminal: Terminal): void {
  const accuracy = run.results?.testAccuracy;
  if (typeof accuracy !== 'number') return;
  const percent = formatNumber(accuracy * 100);
  terminal.write(`\nHeld-out accuracy: ${percent} %, on test rows that no training step saw.\n`);
}

/** The test rows again, raw and over HTTP this time. */
async function showPredictions(api: Api, run: WireRun, terminal: Terminal): Promise<void> {
  const rows = heldOutRows(readExampleSpec(), readBytes(exampleData()));
  const predictions = await api.predict(
    run.id,
    rows.map((row) => row.features),
  );
  const right = rows.filter((row, i) => row.truth === String(predictions[i]?.value)).length;
  const shown = rows.slice(0, 4);
  const captions = shown.map((row, i) => [
    `predicted ${predictions[i]?.value ?? '–'}`,
    `truth     ${row.truth}`,
  ]);
  const images = drawImages(
    shown.map((row) => row.pixels),
    captions,
    terminal.unicode,
  );
  terminal.write(
    `\n${right} of the ${rows.length} test rows are predicted right. The first four of them:\n\n`,
  );
  terminal.write(`${images.join('\n')}\n\n`);
}

async function saveWeights(api: Api, run: WireRun, folder: string, terminal: Terminal): Promise<void> {
  const { bytes } = await api.weights(run.id);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'digits.safetensors');
  saveWhole(path, bytes);
  terminal.write(`Weights: ${shortPath(path)} (${formatBytes(bytes.length)})\n`);
}

function readExampleSpec(): Record<string, unknown> {
  return readSpec(join(packageRoot(), 'examples', 'digits.json'));
}

function exampleData(): string {
  return join(packageRoot(), 'examples', 'data', 'digits.csv');
}
