/** The wasm back end in memory full of NaN: what leaks from padding into a result shows. */
import { createWasmIn } from '../../../../src/engine/codegen/wasm/executor.ts';
import { createModuleCache } from '../../../../src/engine/codegen/wasm/modules.ts';
import { loadTables } from '../../../../src/engine/codegen/wasm/tables.ts';
import type { CreateExecutor } from '../../../../src/engine/kernels.ts';

const modules = createModuleCache(1);

/** Every element holds its buffer's fill, as in fresh memory; only padding stays poisoned. */
export const createPoisoned: CreateExecutor = (plan, data, stepsMax, crew) => {
  const tables = loadTables(data);
  const take: typeof tables.take = (bytes) => {
    const slot = tables.take(bytes);
    new Uint8Array(tables.memory.buffer, slot.address, slot.byteLength).fill(0xff);
    return slot;
  };
  const executor = createWasmIn({ ...tables, take }, modules.of(plan), plan, stepsMax, crew);
  for (const b of plan.buffers) executor.write(b.id, executor.read(b.id).fill(b.fill));
  return executor;
};
