/** More memory is wanted than there is to have: nothing is wrong with whoever asked but the size. */
export class OutOfMemoryError extends RangeError {
  override readonly name = 'OutOfMemoryError';
}
