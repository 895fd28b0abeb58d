/** From a run's spec and the shape of its data to a frozen Plan: every buffer placed, every kernel call in order. */

import type { Update } from './backward.ts';
import { emitBackward, keptForBackward } from './backward.ts';
import type { BufferTable } from './buffers.ts';
import { createBufferTable } from './buffers.ts';
import { createClipping } from './clipping.ts';
import { inputNamesOf, isTrained } from './derivatives.ts';
import { vjp } from './derive.ts';
import type { Expr } from './expr.ts';
import { input, rowSum } from './expr.ts';
import { emitForward, KEEP_NOTHING } from './forward.ts';
import type { Graph, GraphNode, Node, Parameter } from './graph.ts';
import { createGraph, inputsOf, reachable } from './graph.ts';
import type { BufferId, Dim, Kernel, ParameterInfo, Plan, Program, Source } from './kernels.ts';
import { rowsPerSample, VIRTUAL_LANES } from './kernels.ts';
import { activations } from './kinds/activations/registry.ts';
import type { LossKind } from './kinds/kind.ts';
import { layers } from './kinds/layers/registry.ts';
import { losses } from './kinds/losses/registry.ts';
import { metrics } from './kinds/metrics/registry.ts';
import { optimizers } from './kinds/optimizers/registry.ts';
import { keyNames } from './lane-random.ts';
import type { LayerSpec } from './layer-graph.ts';
import { layerShapesOf } from './layer-graph.ts';
import type { Output } from './lower.ts';
import { lower } from './lower.ts';
import { inferenceOf, mergeMaps } from './modes.ts';
import type { Placement } from './network.ts';
import { createNetwork, createPlacement, full, storeTo } from './network.ts';
import type { RegularizationSpec } from './regularization.ts';
import { penalized } from './regularization.ts';

/** A kind's part of the spec: its name and whatever its schema says. */
type KindSpec = { readonly kind: string; readonly [field: string]: unknown };

/** What of a run's spec decides the plan. */
export interface PlanSpec {
  readonly model: { readonly layers: readonly LayerSpec[] };
  readonly loss: KindSpec;
  readonly optimizer: KindSpec;
  readonly regularization?: RegularizationSpec | undefined;
  readonly training: { readonly batchSize: number; readonly gradientClipping?: KindSpec | undefined };
  readonly metrics: readonly string[];
}

export interface PlanShape {
  readonly features: number;
  /** Columns of the target matrix. */
  readonly targets: number;
}

const INVERSE_ROWS = 'inverseRows';
const ROWS = 'rows';
const Z = input('z');
const T = input('t');

/**
 * `train` reads `inverseRows` (1 / rows of the step), the optimiser's scalars, `rows` where a formula counts them, and
 * the keys of its random streams; `train` and `evaluate` write the loss and each metric, summed over the step's rows.
 * The differentiated loss is the mean over the step's rows. `panel` is the width of a column panel, a multiple of 16.
 * The spec must have been checked.
 */
export function createPlan(
  spec: PlanSpec,
  shape: PlanShape,
  options: { readonly panel?: number } = {},
): Plan {
  const { panel = VIRTUAL_LANES } = options;
  const { batchSize } = spec.training;
  if (panel % VIRTUAL_LANES !== 0 || panel < VIRTUAL_LANES) throw new RangeError(`panel of ${panel} columns`);
  const loss = losses.get(spec.loss.kind);
  const { graph, output } = buildGraph(spec, shape, loss);
  const nets = { nodes: reachable(graph, [output]), output };

  const buffers = createBufferTable(batchSize, panel);
  const parameters = placeParameters(spec, graph, buffers);
  const parameter = (p: Parameter): ParameterInfo => {
    const found = parameters[graph.parameters.indexOf(p)];
    if (found === undefined) throw new Error(`parameter ${p.name} was not placed`);
    return found;
  };
  const scalarNames = optimizers.get(spec.optimizer.kind).scalarNames;
  const inputs = [INVERSE_ROWS, ...scalarNames, ...stepScalars(nets.nodes)];
  const placement = createPlacement({
    buffers,
    parameter: (p) => parameter(p).buffer,
    scalar: (name) => {
      const slot = inputs.indexOf(name);
      return slot < 0 ? null : { from: 'stepInput', slot };
    },
  });
  const training = createNetwork(mergeMaps(nets, true), placement);
  const inference = createNetwork(mergeMaps(inferenceOf(nets), false), placement);
  const kept = keptForBackward(training);

  const scores = createScores(spec, shape, loss, placement, output.features);
  const predicted = loss.link === null ? null : buffers.matrix('prediction', 'batch', output.features);
  const cotangent = buffers.matrix('cotangents.output', 'batch', output.features);
  const z = { training: placement.value(training.output), inference: placement.value(inference.output) };

  const update = createUpdate(spec, parameter, buffers);
  const train = [
    ...emitForward(training, kept),
    ...scores.kernels(z.training, cotangent),
    ...emitBackward(training, cotangent, update, kept),
  ];
  const forward = emitForward(inference, KEEP_NOTHING);
  const evaluate = [...forward, ...scores.kernels(z.inference, null)];
  const predict = [...forward, ...(predicted === null ? [] : scores.prediction(z.inference, predicted))];

  const program = (
    kernels: readonly Kernel[],
    own: readonly string[],
    outputs: readonly string[],
  ): Program => ({
    kernels,
    inputs: own,
    outputs,
    flops: kernels.reduce((sum, k) => sum + flopsOf(k, batchSize), 0),
  });
  const outputs = ['loss', ...spec.metrics];
  return deepFreeze({
    batchSize,
    panel,
    featureCount: shape.features,
    targetCount: shape.targets,
    outputCount: output.features,
    ...buffers.place(),
    parameters,
    parameterCount: parameters.reduce((sum, p) => sum + (p.trained ? count(p.shape) : 0), 0),
    streams: streamsOf(nets.nodes),
    programs: {
      train: program(train, inputs, outputs),
      evaluate: program(evaluate, [], outputs),
      predict: program(predict, [], []),
    },
    prediction: predicted ?? z.inference,
  });
}

const streamsOf = (nodes: readonly GraphNode[]): string[] =>
  nodes.flatMap((n) => (n.op === 'map' ? [...n.random] : []));

/** What formulas read of a step besides the optimiser's scalars. */
function stepScalars(nodes: readonly GraphNode[]): string[] {
  const formulas = nodes.flatMap((n) => (n.op === 'map' ? [n.formula, ...n.next.map((s) => s.expr)] : []));
  const counts = formulas.some((e) => inputNamesOf(e).has(ROWS));
  return [...(counts ? [ROWS] : []), ...streamsOf(nodes).flatMap(keyNames)];
}

function buildGraph(spec: PlanSpec, shape: PlanShape, loss: LossKind): { graph: Graph; output: GraphNode } {
  const graph = createGraph(shape.features);
  const { layers: specs } = spec.model;
  const { inputs } = layerShapesOf(specs, shape.features);
  const built: Node[] = [];
  for (const [i, layer] of specs.entries()) {
    const [first, ...others] = (inputs[i] ?? []).map((x) => built[x] ?? graph.data);
    if (first === undefined) throw new Error(`layer ${i} takes nothing`);
    built.push(layers.get(layer.kind).build(graph, [first, ...others], layer, `layers.${i}`));
  }
  const end = graph.node(built.at(-1) ?? graph.data);
  // A final activation that is the loss's own link is computed with the loss.
  const last = specs.at(-1);
  const final = last === undefined ? null : layers.get(last.kind).activation(last);
  const absorbed = loss.link !== null && final?.kind === loss.link && end.op === 'map';
  const [before] = inputsOf(end);
  return { graph, output: absorbed && before !== undefined ? before : end };
}

function placeParameters(spec: PlanSpec, graph: Graph, buffers: BufferTable): ParameterInfo[] {
  const place = (p: Parameter, name: string, region: 'parameters' | 'slots'): BufferId => {
    const [units = 0, inputs, ...window] = p.shape;
    // [units, inputs] is kept as [inputs, units]: the way forward reads it row by row.
    return inputs === undefined
      ? buffers.vector(name, units, region)
      : buffers.matrix(name, inputs * count(window), units, region);
  };
  const slotNames = optimizers.get(spec.optimizer.kind).slots(spec.optimizer);
  return graph.parameters.map((p) => ({
    name: p.name,
    shape: [...p.shape],
    trained: isTrained(p),
    buffer: place(p, p.name, 'parameters'),
    transposed: p.shape.length > 1,
    slots: isTrained(p)
      ? Object.fromEntries(slotNames.map((s) => [s, place(p, `${p.name}.${s}`, 'slots')]))
      : {},
    fanIn: p.fanIn,
    fanOut: p.fanOut,
    initializer: structuredClone(p.initializer),
  }));
}

function createUpdate(
  spec: PlanSpec,
  parameter: (p: Parameter) => ParameterInfo,
  buffers: BufferTable,
): Update {
  const optimizer = optimizers.get(spec.optimizer.kind);
  const slotNames = optimizer.slots(spec.optimizer);
  const extentOfParameter = (p: Parameter) => (p.shape.length > 1 ? 'full' : 'col');
  const { gradientClipping } = spec.training;
  const clipping = gradientClipping === undefined ? null : createClipping(gradientClipping, buffers);
  const target = (buffer: BufferId | undefined, what: string) => {
    if (buffer === undefined) throw new Error(`${spec.optimizer.kind}: no slot ${what}`);
    return storeTo(buffer);
  };
  return {
    together: clipping?.kernels ?? null,
    outputs: (p, gradient) => {
      const extent = extentOfParameter(p);
      const { buffer, slots } = parameter(p);
      const own = input('parameter', extent);
      const clipped = clipping === null ? gradient : clipping.clipped(gradient);
      const next = optimizer.update(
        {
          parameter: own,
          gradient: penalized(spec.regularization, p.role, own, clipped),
          slots: Object.fromEntries(slotNames.map((s) => [s, input(`slot.${s}`, extent)])),
          scalars: Object.fromEntries(optimizer.scalarNames.map((s) => [s, input(`step.${s}`, 'scalar')])),
        },
        spec.optimizer,
      );
      const slotOutputs = Object.entries(next.slots).map(([s, expr]) => ({
        expr,
        target: target(slots[s], s),
      }));
      return [{ expr: next.parameter, target: storeTo(buffer) }, ...slotOutputs];
    },
    sources: (p) => {
      const { buffer, slots } = parameter(p);
      const seen = (id: BufferId): Source => ({ from: 'buffer', buffer: id, extent: extentOfParameter(p) });
      return {
        ...clipping?.sources,
        parameter: seen(buffer),
        ...Object.fromEntries(Object.entries(slots).map(([s, id]) => [`slot.${s}`, seen(id)])),
        ...Object.fromEntries(
          optimizer.scalarNames.map((s, i) => [`step.${s}`, { from: 'stepInput', slot: i + 1 } as const]),
        ),
      };
    },
  };
}

/** Loss, metrics and prediction, all from the network's last value before the link. */
function createScores(
  spec: PlanSpec,
  shape: PlanShape,
  loss: LossKind,
  { buffers }: Placement,
  columns: number,
) {
  const y: Expr = loss.link === null ? Z : activations.get(loss.link).formula(Z, { kind: loss.link });
  const rowLoss = loss.formula(Z, T, spec.loss, columns);
  const scores = [
    { name: 'loss', expr: rowLoss },
    ...spec.metrics.map((name) => ({ name, expr: metrics.get(name).formula(y, T, columns) })),
  ];
  const targets = buffers.matrix('targets', 'batch', shape.targets);
  const rows = scores.map((s) => buffers.vector(`rows.${s.name}`, 'batch'));

  const sums = lower(
    {
      label: 'sum scores',
      rows: 1,
      columns: 'batch',
      sources: Object.fromEntries(
        rows.map((buffer, i) => [`score${i}`, { from: 'buffer', buffer, extent: 'col' } as const]),
      ),
      outputs: rows.map((_, i) => ({
        expr: rowSum(input(`score${i}`, 'col')),
        target: { to: 'stepOutput', slot: i } as const,
      })),
    },
    buffers,
  );

  /** With a buffer for it, the gradient of the mean loss is computed in the same kernels. */
  const kernels = (z: BufferId, cotangent: BufferId | null): Kernel[] => {
    const wanted: Output[] = scores.map((s, i) => ({ expr: s.expr, target: storeTo(rows[i] ?? -1) }));
    if (cotangent !== null) {
      wanted.push({ expr: vjp(rowLoss, 'z', input(INVERSE_ROWS, 'scalar')), target: storeTo(cotangent) });
    }
    const sources = { z: full(z), t: full(targets), [INVERSE_ROWS]: { from: 'stepInput', slot: 0 } as const };
    return [
      { kind: 'gather', label: 'gather targets', table: 'targets', columns: shape.targets, out: targets },
      ...lower({ label: spec.loss.kind, rows: 'batch', columns, sources, outputs: wanted }, buffers),
      ...sums,
    ];
  };
  const prediction = (z: BufferId, target: BufferId): Kernel[] =>
    lower(
      {
        label: 'prediction',
        rows: 'batch',
        columns,
        sources: { z: full(z) },
        outputs: [{ expr: y, target: storeTo(target) }],
      },
      buffers,
    );
  return { kernels, prediction };
}

const count = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

function flopsOf(kernel: Kernel, batchSize: number): number {
  if (kernel.kind !== 'gemm') return 0;
  const size = (d: Dim): number => (typeof d === 'number' ? d : batchSize * (rowsPerSample(d) ?? 1));
  return 2 * size(kernel.m) * size(kernel.n) * size(kernel.k);
}

/** Shared parts are frozen once. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) deepFreeze(part);
  return value;
}
