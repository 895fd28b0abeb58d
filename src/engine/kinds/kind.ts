/**
 * What a kind is, family by family. A kind is one file exporting one of these objects and one line in its family's
 * registry (kinds/<family>/registry.ts); the registry gives the look-up and the discriminated union of the spec.
 *
 * Every schema is a z.strictObject whose `kind` is a literal and whose `.meta({ id, description })` names it for
 * OpenAPI: id = PascalCase kind + family in the singular, e.g. `ReluActivation`, `AdamOptimizer`.
 * All numbers computed outside lane expressions are f64 with + − × ÷ √ and scalar-math.ts only.
 */
import type { z } from 'zod';
import type { Expr } from '../expr.ts';
import type { GraphBuilder, Node } from '../graph.ts';
import type { Grid } from '../kernels.ts';
import type { Random } from '../random.ts';

export interface Kind<S extends z.ZodObject = z.ZodObject> {
  readonly kind: string;
  readonly schema: S;
}

/** y = formula(x). Reductions along the row make it row-wise (softmax); otherwise it is elementwise. */
export interface ActivationKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  formula(x: Expr, spec: z.output<S>): Expr;
  /** dy/dx written in y alone, where that is exact and cheaper; checked against the derived one. */
  derivativeFromOutput?(y: Expr, spec: z.output<S>): Expr;
  /** Which default initialiser suits it: Xavier for symmetric activations, He for the ReLU family. */
  readonly family: 'symmetric' | 'rectifier';
}

export type TargetType = 'numeric' | 'categorical';

/**
 * One loss per row, from the network's last pre-link output z and the target t (both rows × outputs).
 * With a `link` the loss is fused with that activation: the last layer may name it or be `linear`; the prediction
 * is link(z) either way. Without one, the last layer's activation applies as written and z is its output.
 */
export interface LossKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  readonly link: 'softmax' | 'sigmoid' | null;
  /** Target columns it can be given, and the width the network's output must have. */
  readonly targets: readonly TargetType[];
  outputs(target: { type: TargetType; classes: number }): { units: number; why: string };
  /** `outputs` is the number of output columns, for means over them. Returns extent `row`. */
  formula(z: Expr, target: Expr, spec: z.output<S>, outputs: number): Expr;
}

/** Slots start at zero and have the parameter's shape. */
export interface OptimizerKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  slots(spec: z.output<S>): readonly string[];
  /** Names of the per-step scalars it reads, in order; `scalars` gives their values for step t (from 1). */
  readonly scalarNames: readonly string[];
  scalars(spec: z.output<S>, t: number, learningRate: number): readonly number[];
  update(
    at: {
      readonly parameter: Expr;
      readonly gradient: Expr;
      readonly slots: Readonly<Record<string, Expr>>;
      readonly scalars: Readonly<Record<string, Expr>>;
    },
    spec: z.output<S>,
  ): { readonly parameter: Expr; readonly slots: Readonly<Record<string, Expr>> };
}

/** A penalty, as the formula that is summed over a parameter's numbers. */
export interface RegularizerKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  formula(w: Expr, spec: z.output<S>): Expr;
}

/** What every gradient is multiplied by, given the sum of the squares of all of them. */
export interface GradientClippingKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  factor(squares: Expr, spec: z.output<S>): Expr;
}

export interface SchedulePosition {
  /** Steps and epochs finished before this one (from 0), and how many the run plans. */
  readonly step: number;
  readonly epoch: number;
  readonly steps: number;
  readonly epochs: number;
}

export interface ScheduleKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  learningRate(initial: number, at: SchedulePosition, spec: z.output<S>): number;
}

export interface InitializerKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  /** Fills `count` values of one parameter. `random` is a stream of that parameter's own. */
  fill(at: { count: number; fanIn: number; fanOut: number; random: Random }, spec: z.output<S>): Float32Array;
}

/** Fitted on the training rows of one column; the fitted numbers are stored with the model. */
export interface NumericPreprocessorKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  fit(values: Float64Array, spec: z.output<S>): Readonly<Record<string, number>>;
  apply(value: number, fitted: Readonly<Record<string, number>>): number;
  /** Where `apply` is a straight line: it is (value − offset) · factor, but for how it rounds. */
  line?(fitted: Readonly<Record<string, number>>): Line;
}

export interface Line {
  readonly offset: number;
  readonly factor: number;
}

/** Encodes a category into `width` numbers; an unknown category has code −1. */
export interface CategoricalPreprocessorKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  width(categories: number): number;
  encode(code: number, out: Float32Array, offset: number, categories: number): void;
}

export type Part = 'training' | 'validation' | 'test';

export interface SplitKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  /** Whether it goes by the target's classes, and so makes no sense for a number. */
  readonly needsClasses: boolean;
  /** How many rows each part will have, known before any row is. */
  sizes(rows: number, spec: z.output<S>): Readonly<Record<Part, number>>;
  /** Row numbers of each part. `strata` is the target's code per row, or null for a numeric target. */
  assign(
    at: { rows: number; strata: Int32Array | null; random: Random },
    spec: z.output<S>,
  ): Readonly<Record<Part, Int32Array>>;
}

/** A number per row from prediction y and target t (rows × outputs), averaged over the rows of an epoch. */
export interface MetricKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  readonly targets: readonly TargetType[];
  /** Which way is better, for early stopping. */
  readonly better: 'lower' | 'higher';
  formula(y: Expr, target: Expr, outputs: number): Expr;
}

/** Shape of what flows between layers, per sample: flat features, or an image of so many channels. */
export interface LayerShape {
  readonly features: number;
  readonly image: Grid | null;
}

/** Why a layer cannot take what it is given, as a clause about the shape: `takes flat features; put …`. */
export interface Misfit {
  readonly misfit: string;
}

export interface LayerKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  /** `one`: the layer before it, or the one its `input` names. `several`: those its `inputs` name. */
  readonly takes: 'one' | 'several';
  outputShape(inputs: readonly LayerShape[], spec: z.output<S>): LayerShape | Misfit;
  /** Trained numbers. The inputs fit. */
  parameterCount(inputs: readonly LayerShape[], spec: z.output<S>): number;
  /** Of matrix products for one sample in training: forward, and the gradients of the weights and of the input. */
  multiplications(inputs: readonly LayerShape[], spec: z.output<S>): number;
  /** Images that training keeps besides its output: inputs with a border, gradients with one. Without it, none. */
  workspace?(inputs: readonly LayerShape[], spec: z.output<S>): readonly LayerShape[];
  /** Kernels that it is compiled to beyond what every layer takes, or as much code as so many. */
  kernels?(inputs: readonly LayerShape[], spec: z.output<S>): number;
  /** Adds the layer to the graph under `name` (e.g. `layers.0`) and returns its output, activation included. */
  build(graph: GraphBuilder, inputs: readonly [Node, ...Node[]], spec: z.output<S>, name: string): Node;
  /** The layer's own final activation, if it has one; the loss's link may absorb it. */
  activation(spec: z.output<S>): { readonly kind: string } | null;
}
