/**
 * The compiler's intermediate form: a Plan is a frozen list of kernel calls over buffers that are placed once.
 * Every back end gives these kernels one meaning, to the bit; the interpreter is the definition.
 *
 * Canonical orders of summation:
 * - gemm: out = init, then out = fround(out + fround(a·b)) for k ascending, each element on its own.
 * - reduce to a column: from the first row down, acc = op(acc, row), starting at the identity (+0, −Infinity).
 * - reduce to a row: 16 virtual lanes start at the identity; lane (c mod 16) takes column c, c ascending; then
 *   lanes l and l+8 are joined, then l+4, l+2, l+1 (`op(lane[l], lane[l+h])`); lane 0 is the result.
 *   Absent columns of the last block leave their lane untouched.
 */
import type { Crew } from './crew.ts';
import type { Expr, Extent, ReduceFn } from './expr.ts';

/** Lanes of the virtual machine that row reductions are defined on. */
export const VIRTUAL_LANES = 16;

/**
 * A dimension is fixed, or the number of samples in the current batch (≤ Plan.batchSize), or that times a fixed number
 * of rows per sample: sample b has the rows b·perSample … (b + 1)·perSample − 1, an image's positions row-major over
 * height × width. `perSample` is at least 2; `rowsPerSample` reads all three alike.
 */
export type Dim = number | 'batch' | { readonly perSample: number };

/** Rows of each sample, or null for a fixed dimension. */
export function rowsPerSample(d: Dim): number | null {
  if (typeof d === 'number') return null;
  return d === 'batch' ? 1 : d.perSample;
}

/** Which of a matrix's rows belong to a domain of images: its position (y, x) is the sample's row below. */
export interface View {
  /** offset + y·yStride + x·xStride, always within the sample's rows. */
  readonly offset: number;
  readonly yStride: number;
  readonly xStride: number;
}

/** The height × width of a domain whose rows are images' positions; kernels with views have one. */
export interface Grid {
  readonly height: number;
  readonly width: number;
}

export type BufferId = number;

/**
 * `matrix`: panel-major, element (r, c) at ((c / panel | 0) · capacityRows + r) · panel + c % panel, columns padded
 * to whole panels. `vector`: contiguous, padded to 16 floats. What lies in padding is unspecified but finite at
 * start; rows of a 'batch' dimension beyond the current step's are left as they are. `offset` is in bytes from the arena's start, a multiple of 64.
 * Every element holds `fill` before it is first written: the border around padded images is never written at all.
 */
export interface BufferInfo {
  readonly id: BufferId;
  readonly name: string;
  readonly kind: 'matrix' | 'vector';
  /** Matrix: rows × columns. Vector: `rows` is 1 and `columns` its length. */
  readonly rows: Dim;
  readonly columns: Dim;
  readonly capacityRows: number;
  readonly capacityColumns: number;
  readonly fill: number;
  readonly offset: number;
  readonly byteLength: number;
}

/**
 * Where an expression's input comes from: a buffer seen with an extent, or a scalar of the current step. `scalar` is
 * the first element of a vector. A `full` matrix may be read through a view, then its own rows are not the domain's.
 */
export type Source =
  | {
      readonly from: 'buffer';
      readonly buffer: BufferId;
      readonly extent: 'full' | 'row' | 'col' | 'scalar';
      readonly view?: View;
    }
  | { readonly from: 'stepInput'; readonly slot: number };

export interface Binding {
  readonly name: string;
  readonly source: Source;
}

/**
 * Stores `expr` (free of `reduce` and `call` nodes) to a buffer of the extent it has after the reduction, or,
 * when the domain has one row and the reduction is to a row, to a scalar output of the step.
 * A buffer may be both bound and stored: the element is read before it is written.
 * Without a reduction the target is a matrix, or, when the domain has one row, a vector along its columns.
 */
export interface Store {
  readonly expr: Expr;
  readonly reduce?: { readonly fn: ReduceFn; readonly to: 'row' | 'col' };
  readonly target: /** A view goes with a matrix that is stored element by element. */
    | { readonly to: 'buffer'; readonly buffer: BufferId; readonly view?: View }
    | { readonly to: 'stepOutput'; readonly slot: number };
}

/**
 * Elementwise over a rows × columns domain. Vectors bind as `row` (one per row) or `col` (one per column).
 * The stores of one kernel reduce in one direction at most.
 */
export interface MapKernel {
  readonly kind: 'map';
  readonly label: string;
  readonly rows: Dim;
  readonly columns: Dim;
  /** Set where a binding or store has a view; then rows is {perSample: height·width} ('batch' for 1 × 1). */
  readonly grid?: Grid;
  readonly bindings: readonly Binding[];
  readonly stores: readonly Store[];
}

/**
 * A product whose A is read through windows of images: a convolution. The domain's rows are positions of `grid`; the
 * long side of A is taps × channels, tap by tap. Element (position, (tap, channel)) is A's buffer at the row that
 * `view` gives for the position, plus `rowStep` of the tap, in column `channel`.
 * - Plain A: m is the domain, k = taps × channels. B's rows for a tap are the block of `channels` rows number `block`:
 *   B[(tap, channel), n] is the buffer's row block·channels + channel; transposed, row block·n + n, column channel.
 * - aTransposed: k is the domain, m = taps × channels, and `block` is the tap's own number.
 */
export interface Windows {
  readonly grid: Grid;
  readonly view: View;
  readonly channels: number;
  readonly taps: readonly { readonly rowStep: number; readonly block: number }[];
}

/**
 * acc[m, n] = init[n] + Σ_k A[m, k] · B[k, n]; then the stores over the m × n domain, where the expression input
 * named `acc` is the sum. `aTransposed`: the buffer holds [k, m]. `bTransposed`: the buffer holds [n, k].
 * Stores of a gemm carry no `reduce`. Views of bindings and stores are over `windows.grid`, and only where m is the
 * domain. The number of taps may be zero: then acc = init.
 */
export interface GemmKernel {
  readonly kind: 'gemm';
  readonly label: string;
  readonly m: Dim;
  readonly n: Dim;
  readonly k: Dim;
  readonly a: BufferId;
  readonly aTransposed: boolean;
  readonly b: BufferId;
  readonly bTransposed: boolean;
  /** A vector of length n (a bias), or null for zeros. */
  readonly init: BufferId | null;
  readonly windows?: Windows;
  readonly bindings: readonly Binding[];
  readonly stores: readonly Store[];
}

/** Copies the batch's rows of a resident row-major table into a matrix buffer: out[i, :] = table[index[i], :]. */
export interface GatherKernel {
  readonly kind: 'gather';
  readonly label: string;
  readonly table: 'features' | 'targets';
  readonly columns: number;
  /** The table is a coded one: each byte is copied as the float that it stands for. */
  readonly coded?: true;
  readonly out: BufferId;
}

/**
 * Copies between images and flat rows. With P = `positions`, for each sample b, position p and channel c < channels:
 * `flatten`: flat[b, flatColumn + c·P + p] = image[b·P + p, imageColumn + c]; `unflatten`: the other way round.
 * With `accumulate` the element is added to what is there (there + copied). P = 1 copies a range of columns between
 * matrices of the same rows, whatever their dimension.
 */
export interface MoveKernel {
  readonly kind: 'move';
  readonly label: string;
  readonly direction: 'flatten' | 'unflatten';
  /** Rows of `flat`. */
  readonly rows: Dim;
  readonly positions: number;
  readonly channels: number;
  readonly image: BufferId;
  readonly imageColumn: number;
  readonly flat: BufferId;
  readonly flatColumn: number;
  readonly accumulate: boolean;
}

export type Kernel = MapKernel | GemmKernel | GatherKernel | MoveKernel;

export type ProgramName = 'train' | 'evaluate' | 'predict';

export interface Program {
  readonly kernels: readonly Kernel[];
  /** Names of the scalars read and written once per step, in slot order. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Floating-point operations of the matrix products for one full batch. */
  readonly flops: number;
}

/**
 * A tensor of the model: trained, or a statistic that the training step keeps (running means). `shape` is logical and
 * row-major: a dense weight is [units, inputs], a convolution's [units, inputs, height, width], as in PyTorch.
 */
export interface ParameterInfo {
  /** e.g. `layers.0.weight` */
  readonly name: string;
  readonly shape: readonly number[];
  readonly trained: boolean;
  readonly buffer: BufferId;
  /** The buffer holds [inputs, units], tap after tap for a convolution: row (y·width + x)·inputs + input. */
  readonly transposed: boolean;
  /** Optimiser slot name → buffer of the same shape and layout. */
  readonly slots: Readonly<Record<string, BufferId>>;
  readonly fanIn: number;
  readonly fanOut: number;
  /** The spec of its initialiser, as in the run's spec. */
  readonly initializer: { readonly kind: string; readonly [field: string]: unknown };
}

export interface Plan {
  readonly batchSize: number;
  readonly panel: number;
  readonly featureCount: number;
  readonly targetCount: number;
  /** The features are a coded table. */
  readonly coded: boolean;
  readonly outputCount: number;
  readonly buffers: readonly BufferInfo[];
  readonly arenaBytes: number;
  readonly parameters: readonly ParameterInfo[];
  /** Trained numbers. */
  readonly parameterCount: number;
  /** Streams of random numbers whose keys `train` reads, in the order of its inputs; see lane-random.ts. */
  readonly streams: readonly string[];
  readonly programs: Readonly<Record<ProgramName, Program>>;
  /** The network's output after its link (probabilities for a classifier): rows × outputCount. */
  readonly prediction: BufferId;
}

/** Steps to run back to back. `indices` holds each step's row numbers one after another, `rows` how many each has. */
export interface StepBatch {
  readonly indices: Int32Array;
  readonly rows: Int32Array;
  /** steps × program.inputs.length, row-major. */
  readonly inputs: Float32Array;
}

/** The first `count` values are there. */
export type Filled = (count: number) => void;

/**
 * A plan made runnable by a back end, with its dataset resident. Matrices are read and written in their buffer's
 * own orientation, row-major and without padding: rows × columns floats (`rows` = the capacity for 'batch').
 */
export interface Executor {
  readonly backend: string;
  /** Returns steps × program.outputs.length, row-major. Throws RangeError on an index outside the table. */
  run(program: ProgramName, batch: StepBatch): Float32Array;
  /** Into `into` if it is of the buffer's length, else into a new array. */
  read(buffer: BufferId, into?: Float32Array): Float32Array;
  /**
   * A matrix, column by column; `filled` is told now and then how many of its first values are there. Throws RangeError
   * unless `into` is of its length.
   */
  readTransposed(buffer: BufferId, into: Float32Array, filled?: Filled): void;
  write(buffer: BufferId, values: Float32Array): void;
  dispose(): void;
}

/**
 * Row-major tables that stay loaded: features rows × plan.featureCount, targets rows × plan.targetCount. Bytes are a
 * coded table; see coded-table.ts.
 */
export interface ResidentData {
  readonly rows: number;
  readonly features: Float32Array | Uint8Array;
  readonly targets: Float32Array;
}

/**
 * How many steps one call holds is the caller's choice; at most `stepsMax` per call and `batchSize` rows a step.
 * With a crew its threads share the work; without one the caller does all of it.
 */
export type CreateExecutor = (plan: Plan, data: ResidentData, stepsMax: number, crew?: Crew) => Executor;

export type BoundExtent = Exclude<Extent, 'scalar'>;
