// Loaded before a worker's process: from here on V8 refuses WebAssembly memories of more than 16 MiB.
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--wasm-max-mem-pages=256');
