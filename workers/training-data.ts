// From what a run is given to what its training computes on, inside a thread. What is made on the way (the parsed
// table, the encoded rows) is told, so that other runs need not make it again.
import { buildTable } from '../src/datasets/csv.ts';
import { CsvFlaw } from '../src/datasets/csv-flaw.ts';
import { defaultCsvLimits } from '../src/datasets/limits.ts';
import { checkSpec } from '../src/engine/check.ts';
import { defaultLimits } from '../src/engine/limits.ts';
import { prepareData } from '../src/engine/prepare.ts';
import { resolveTask } from '../src/engine/resolve.ts';
import type { EngineSpec } from '../src/engine/spec.ts';
import { type ColumnSummary, summarize } from '../src/engine/table.ts';
import { type PreparedTable, UntrainableError } from '../src/engine/train.ts';
import { failpoint } from '../src/failpoints.ts';
import type { WorkerBackend } from './engine-backend.ts';
import type { ChunkMessage, StartData, ThreadMessage } from './protocol.ts';
import type { EncodedData, ParsedData } from './shared-data.ts';
import { adoptShared, allocateShared, type SharedTables } from './shared-tables.ts';

/** The data cannot be trained on; the message is for the client. */
export class InvalidDataError extends Error {
  override readonly name = 'InvalidDataError';
}

export interface DataAccess {
  /** Asks the worker for the next chunk of the file. */
  nextChunk(): Promise<ChunkMessage>;
  shouldStop(): boolean;
  post(message: Extract<ThreadMessage, { type: 'parsed' | 'encoded' }>): void;
}

/** Null when it was stopped. Rejects with InvalidDataError. */
export async function readData(
  given: StartData,
  spec: EngineSpec,
  backend: WorkerBackend,
  access: DataAccess,
): Promise<PreparedTable | null> {
  if (given.from === 'encoded') return adoptEncoded(spec, given.encoded);
  const parsed = given.from === 'parsed' ? given.parsed : await parse(given, access);
  return parsed === null || access.shouldStop() ? null : encode(parsed, spec, backend, access);
}

class Stopped extends Error {}

async function parse(
  { rowCount, categorical }: Extract<StartData, { from: 'chunks' }>,
  access: DataAccess,
): Promise<ParsedData | null> {
  try {
    const table = await buildTable(chunksOf(access), categorical, defaultCsvLimits, rowCount);
    const parsed = { table, columns: summarize(table) };
    access.post({ type: 'parsed', parsed });
    return parsed;
  } catch (error) {
    if (error instanceof Stopped) return null;
    if (error instanceof CsvFlaw) throw new InvalidDataError(`The dataset cannot be read: ${error.message}`);
    throw error;
  }
}

async function* chunksOf({ nextChunk, shouldStop }: DataAccess): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { bytes, damage } = await nextChunk();
    if (damage !== null) throw new InvalidDataError(damage);
    if (shouldStop()) throw new Stopped();
    if (bytes === null) return;
    yield bytes;
  }
}

function encode(
  { table, columns }: ParsedData,
  spec: EngineSpec,
  backend: WorkerBackend,
  { post }: DataAccess,
): PreparedTable {
  failpoint('data.encoding');
  const { rowCount } = table;
  checkFits(spec, rowCount, columns);
  const resolved = resolveTask(spec, columns);
  if ('issues' in resolved) throw new UntrainableError(resolved.issues);
  let tables: SharedTables | null = null;
  const prepared = prepareData(resolved, table, (shape) => {
    const allocated = allocateShared(backend, shape);
    tables = allocated.tables;
    return allocated.data;
  });
  if (tables === null) throw new Error('no tables were allocated');
  const { featureCount, targetCount, preprocessing } = prepared;
  const known = columns.map((column) => withoutClasses(column, spec.data.target));
  const { training, validation, test } = prepared.parts;
  const parts = { training: shared(training), validation: shared(validation), test: shared(test) };
  post({
    type: 'encoded',
    encoded: { columns: known, tables, featureCount, targetCount, parts, preprocessing },
  });
  return { columns: known, prepared };
}

function adoptEncoded(spec: EngineSpec, { columns, tables, ...encoded }: EncodedData): PreparedTable {
  checkFits(spec, tables.rows, columns);
  return { columns, prepared: { ...adoptShared(tables), ...encoded } };
}

/** Only the target's classes are ever asked for, and columns of pixels have some hundred thousand. */
function withoutClasses(column: ColumnSummary, target: string): ColumnSummary {
  return column.type === 'categorical' || column.name === target ? column : { ...column, classes: null };
}

function checkFits(spec: EngineSpec, rowCount: number, columns: PreparedTable['columns']): void {
  const [issue] = checkSpec(spec, { rowCount, columns }, defaultLimits);
  if (issue !== undefined) {
    throw new InvalidDataError(`The spec no longer fits the dataset: ${issue.detail} (${issue.pointer})`);
  }
}

function shared(values: Int32Array): Int32Array<SharedArrayBuffer> {
  const copy = new Int32Array(new SharedArrayBuffer(values.byteLength));
  copy.set(values);
  return copy;
}
