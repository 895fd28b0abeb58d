/**
 * Whether a dataset can serve a spec, from the columns' summaries alone: nothing is allocated in proportion to the
 * sizes asked for. Every issue names the place, the value, the limit and what would be right.
 */
import { type Cost, encodedWidth, estimateCost } from './cost.ts';
import { listWords, pointerTo, quote, type SpecIssue, suggestion } from './issues.ts';
import type { Part } from './kinds/kind.ts';
import { describeShape } from './kinds/layers/fields.ts';
import { layers } from './kinds/layers/registry.ts';
import { losses } from './kinds/losses/registry.ts';
import { metrics } from './kinds/metrics/registry.ts';
import { splits } from './kinds/splits/registry.ts';
import { layerShapesOf, linkLayers, shapeLayers } from './layer-graph.ts';
import { defaultLimits, type EngineLimits } from './limits.ts';
import { monitorNames, watchOf } from './monitor.ts';
import { type Resolved, type ResolvedSpec, resolveTask, type Task } from './resolve.ts';
import { type EngineSpec, epochsMost } from './spec.ts';
import type { ColumnSummary } from './table.ts';

export { defaultLimits };

/** Everything that keeps the spec from being trained on the dataset; empty if nothing does. */
export function checkSpec(
  spec: EngineSpec,
  dataset: { readonly rowCount: number; readonly columns: readonly ColumnSummary[] },
  limits: EngineLimits = defaultLimits,
): SpecIssue[] {
  const sizes = checkCounts(spec, limits);
  if (sizes.length > 0) return sizes;
  const resolved = resolveTask(spec, dataset.columns);
  if ('issues' in resolved) return [...resolved.issues];
  const misfits = checkLayers(resolved);
  if (misfits.length > 0) return misfits;
  const rows = partSizes(resolved.spec, dataset.rowCount);
  return [
    ...checkOutputs(resolved),
    ...checkMetrics(resolved),
    ...checkStrata(resolved),
    ...checkParts(resolved.spec, rows),
    ...checkMonitor(resolved.spec, rows.validation > 0),
    ...checkCost(estimateCost(resolved, dataset.rowCount, rows.training), resolved, limits),
  ];
}

/** Bytes that a worker has to have for the run. The spec has been checked. */
export function memoryNeed({ spec, task }: Resolved, rowCount: number): number {
  return estimateCost({ spec, task }, rowCount, rowCount).memoryBytes;
}

/** Rows of each part, as the split will assign them for a target without strata. */
function partSizes(spec: ResolvedSpec, rows: number): Readonly<Record<Part, number>> {
  return splits.get(spec.data.split.kind).sizes(rows, spec.data.split);
}

function checkCounts(spec: EngineSpec, limits: EngineLimits): SpecIssue[] {
  const issues: SpecIssue[] = [];
  const layerCount = spec.model.layers.length;
  if (layerCount > limits.layersMax) {
    const detail = `${layerCount} layers are more than the limit of ${limits.layersMax} (layersMax)`;
    issues.push({ pointer: '#/model/layers', detail });
  }
  const { epochs } = spec.training;
  if (epochs > limits.epochsMax) {
    const detail = `${epochs} epochs are more than the limit of ${limits.epochsMax} (epochsMax)`;
    issues.push({ pointer: '#/training/epochs', detail });
  }
  return issues;
}

/** Whether the layers find what they take, and can take what they find. */
function checkLayers({ spec, task }: Resolved): SpecIssue[] {
  const { inputs, issues } = linkLayers(spec.model.layers);
  if (issues.length > 0) return [...issues];
  const { issue } = shapeLayers(spec.model.layers, inputs, encodedWidth(task, spec));
  return issue === null ? [] : [issue];
}

function checkOutputs({ spec, task }: Resolved): SpecIssue[] {
  const issues: SpecIssue[] = [];
  const last = spec.model.layers.length - 1;
  const layer = spec.model.layers[last];
  const shape = layerShapesOf(spec.model.layers, encodedWidth(task, spec)).shapes[last];
  if (layer === undefined || shape === undefined) return issues;
  if (shape.image !== null) {
    const detail = `the last layer (${layer.kind}) gives ${describeShape(shape)}, but ${task.outputsWhy}${classesOf(task)}; end with a flatten and a dense layer of ${task.outputs} units`;
    return [{ pointer: pointerTo(['model', 'layers', last]), detail }];
  }
  const width = shape.features;
  if (width !== task.outputs) {
    const detail = `the last layer has ${width} outputs, but ${task.outputsWhy}${classesOf(task)}; ${'units' in layer ? 'use' : 'end with a dense layer of'} ${task.outputs}`;
    const path = ['model', 'layers', last, ...('units' in layer ? ['units'] : [])];
    issues.push({ pointer: pointerTo(path), detail });
  }
  const { link } = losses.get(spec.loss.kind);
  const activation = layers.get(layer.kind).activation(layer)?.kind ?? 'linear';
  if (link !== null && activation !== 'linear' && activation !== link) {
    const detail = `${spec.loss.kind} puts ${link} on the last layer itself; use "linear" or "${link}", not "${activation}"`;
    issues.push({ pointer: pointerTo(['model', 'layers', last, 'activation', 'kind']), detail });
  }
  return issues;
}

const classesOf = ({ target, classes }: Task): string =>
  classes.length === 0 ? '' : ` (${quote(target)} has ${classes.length} classes: ${listWords(classes)})`;

function checkMetrics({ spec, task }: Resolved): SpecIssue[] {
  const issues: SpecIssue[] = [];
  for (const [i, name] of spec.metrics.entries()) {
    const pointer = pointerTo(['metrics', i]);
    const suited = metrics.kinds
      .filter(({ targets }) => targets.includes(task.targetType))
      .map(({ kind }) => kind);
    if (!metrics.get(name).targets.includes(task.targetType)) {
      const detail = `${name} does not suit a ${task.targetType} target such as ${quote(task.target)} under ${spec.loss.kind}; use ${listWords(suited)}`;
      issues.push({ pointer, detail });
    }
    if (spec.metrics.indexOf(name) !== i)
      issues.push({ pointer, detail: `${name} is listed twice; remove one` });
  }
  return issues;
}

function checkStrata({ spec, task }: Resolved): SpecIssue[] {
  const { kind } = spec.data.split;
  if (!splits.get(kind).needsClasses || task.targetType === 'categorical') return [];
  const suited = splits.kinds.filter((split) => !split.needsClasses).map((split) => split.kind);
  const detail = `a ${kind} split goes by classes, and ${quote(task.target)} is a number under ${spec.loss.kind}; use ${listWords(suited)}`;
  return [{ pointer: '#/data/split/kind', detail }];
}

function checkParts(spec: ResolvedSpec, rows: Readonly<Record<Part, number>>): SpecIssue[] {
  if (rows.training < 1) {
    const detail = `the split leaves no training rows (${rows.validation} for validation, ${rows.test} for test); lower its shares`;
    return [{ pointer: '#/data/split', detail }];
  }
  const { batchSize } = spec.training;
  if (batchSize > rows.training) {
    const detail = `a batch of ${batchSize} rows is more than the ${rows.training} training rows; use at most ${rows.training}`;
    return [{ pointer: '#/training/batchSize', detail }];
  }
  return [];
}

function checkMonitor(spec: ResolvedSpec, validation: boolean): SpecIssue[] {
  if (spec.training.earlyStopping === undefined) return [];
  const pointer = '#/training/earlyStopping/monitor';
  const { monitor } = watchOf(spec, validation);
  const known = monitorNames(spec, validation);
  if (known.includes(monitor)) return [];
  if (monitorNames(spec, true).includes(monitor)) {
    const detail = `${monitor} needs validation rows, and the split gives none; raise its validation share or use ${listWords(known)}`;
    return [{ pointer, detail }];
  }
  const detail = `no metric is reported as ${quote(monitor)}${suggestion(monitor, known)}; use ${listWords(known)}`;
  return [{ pointer, detail }];
}

function checkCost(cost: Cost, { spec }: Resolved, limits: EngineLimits): SpecIssue[] {
  const issues: SpecIssue[] = [];
  // Sizes past all numbers are not a number at last.
  const check = (
    value: number,
    limit: keyof EngineLimits,
    pointer: string,
    what: string,
    instead: string,
  ) => {
    if (value <= limits[limit]) return;
    const detail = `${what}, more than the limit of ${limits[limit]} (${limit})${instead}`;
    issues.push({ pointer, detail });
  };
  const { parameters, bytes, flops, kernels } = cost;
  const epochs = epochsMost(spec);
  const model = '#/model/layers';
  check(parameters, 'parametersMax', model, `the model has ${parameters} parameters`, '');
  const memory = `training needs about ${bytes} bytes of memory`;
  check(bytes, 'bytesMax', model, memory, '; use fewer units or channels, or a smaller batch');
  const code = `the network takes about ${Math.ceil(kernels)} kernels`;
  check(kernels, 'kernelsMax', model, code, '; use fewer layers, or smaller strides and pools');
  const work = `${epochs} epochs take about ${flops} floating-point operations`;
  check(flops, 'flopsMax', '#/training/epochs', work, '; use fewer epochs or units');
  return issues;
}
