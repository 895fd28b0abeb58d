/** The largest work a run may ask for. Compared before anything is allocated. */
export interface EngineLimits {
  readonly layersMax: number;
  /** Trainable numbers. */
  readonly parametersMax: number;
  readonly epochsMax: number;
  /** Floating-point operations of the matrix products over the whole run. */
  readonly flopsMax: number;
  /** Memory while training: parameters with their optimiser slots, one batch's activations, the encoded data. */
  readonly bytesMax: number;
  /** What a network is compiled to: five kernels per layer, more for strides and for the windows of pools. */
  readonly kernelsMax: number;
}

export const defaultLimits: EngineLimits = {
  layersMax: 1000,
  parametersMax: 100_000_000,
  epochsMax: 1_000_000,
  flopsMax: 1e17,
  // What a WebAssembly memory can address.
  bytesMax: 4 * 1024 ** 3,
  // Some seconds of compiling.
  kernelsMax: 6000,
};
