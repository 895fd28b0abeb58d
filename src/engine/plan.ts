/** From a run's spec and the shape of its data to a frozen Plan: every buffer placed, every kernel call in order. */

import { emitBackward, keptForBackward } from './backward.ts';
import type { BufferTable } from './buffers.ts';
import { createBufferTable } from './buffers.ts';
import { isTrained } from './derivatives.ts';
import { emitForward, KEEP_NOTHING } from './forward.ts';
import type { Graph, GraphNode, Node, Parameter } from './graph.ts';
import { createGraph, inputsOf, reachable } from './graph.ts';
import type { BufferId, Dim, Kernel, ParameterInfo, Plan, Program } from './kernels.ts';
import { rowsPerSample, VIRTUAL_LANES } from './kernels.ts';
import type { LossKind } from './kinds/kind.ts';
import { layers } from './kinds/layers/registry.ts';
import { losses } from './kinds/losses/registry.ts';
import { optimizers } from './kinds/optimizers/registry.ts';
import { keyNames } from './lane-random.ts';
import { layerShapesOf } from './layer-graph.ts';
import { inferenceOf, mergeMaps } from './modes.ts';
import { createNetwork, createPlacement } from './network.ts';
import type { PlanShape, PlanSpec } from './plan-spec.ts';
import { createScores, INVERSE_ROWS } from './scores.ts';
import { inputNamesOf } from './search.ts';
import { createUpdate } from './update.ts';

export type { PlanShape, PlanSpec } from './plan-spec.ts';

const ROWS = 'rows';

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
  const { coded = false } = shape;
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
    coded,
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
    coded,
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
