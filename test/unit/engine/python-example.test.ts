/** examples/python/predict.py computes every layer, from the file alone; where there is no Python there is no answer. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { backends } from '../../../src/engine/codegen/backends.ts';
import { createPredictor } from '../../../src/engine/predict.ts';
import type { EngineSpecInput } from '../../../src/engine/spec.ts';
import { createTraining } from '../../../src/engine/train.ts';
import { packageRoot } from '../../../src/package-root.ts';
import { everyLayer, fewDigits, fewRows } from './every-layer.ts';
import { specOf } from './example-table.ts';

const folder = mkdtempSync(join(tmpdir(), 'trainyard-python-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const script = join(packageRoot(), 'examples', 'python', 'predict.py');
const csv = join(folder, 'rows.csv');
const names = Object.keys(fewRows[0] ?? {});
writeFileSync(csv, [names, ...fewRows.map((row) => names.map((name) => row[name]))].join('\n'));

function modelOf(layers: EngineSpecInput['model']['layers']): Uint8Array {
  const spec = specOf(10, {
    data: { target: 'digit', preprocessing: { numeric: { kind: 'none' } } },
    loss: { kind: 'crossEntropy' },
    model: { layers },
    training: { epochs: 2 },
  });
  const training = createTraining({ spec, table: fewDigits, backend: backends.wasm });
  while (training.stopReason === null) training.runEpoch({ shouldStop: () => false, onSteps: () => {} });
  const model = training.model();
  training.dispose();
  return model;
}

function runPython(model: Uint8Array, limit: number) {
  const file = join(folder, 'model.safetensors');
  writeFileSync(file, model);
  return spawnSync('python3', [script, file, csv, String(limit)], { encoding: 'utf8' });
}

describe('the Python example', () => {
  it.each<[string, EngineSpecInput['model']['layers']]>([
    ['every layer', everyLayer],
    [
      'the other form of dropout',
      [
        { kind: 'dropout', scaling: 'inference' },
        { kind: 'dense', units: 10 },
      ],
    ],
  ])('answers for %s as the service does, to 1e-6', (_, layers) => {
    const model = modelOf(layers);
    const python = runPython(model, 5);
    if (python.error) return expect(python.error).toMatchObject({ code: 'ENOENT' });
    expect(python.stderr).toBe('');
    const wanted = createPredictor(model, backends.wasm).predict(fewRows.slice(0, 5));
    if ('issues' in wanted) throw new Error(JSON.stringify(wanted.issues));
    const answers = python.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    for (const [i, { value, probabilities }] of wanted.predictions.entries()) {
      expect(answers[i].value).toBe(value);
      for (const [label, share] of Object.entries(probabilities ?? {})) {
        expect(Math.abs(answers[i].probabilities[label] - share)).toBeLessThan(1e-6);
      }
    }
  });

  it('refuses a layer from after its time in one sentence', () => {
    const model = modelOf([{ kind: 'layerNorm' }, { kind: 'dense', units: 10 }]);
    const newer = Buffer.from(model).toString('latin1').replace('layerNorm', 'groupNorm');
    const python = runPython(Buffer.from(newer, 'latin1'), 1);
    if (python.error) return expect(python.error).toMatchObject({ code: 'ENOENT' });
    expect(python.stderr.trim()).toBe('This script does not know the layer groupNorm.');
    expect(python.status).toBe(1);
  });
});
