// How the threads of a crew join executors, by the name of their back end.
import { takeWasmSeat } from '../src/engine/codegen/wasm/seat.ts';
import type { TakeSeat } from '../src/engine/crew.ts';
import { nativeBackend } from './engine-backend.ts';

export const seats: Readonly<Record<string, TakeSeat>> = {
  wasm: takeWasmSeat,
  native: (seat, at) => nativeBackend().takeSeat(seat, at),
};
