/** Everything of a plan that its compiled code depends on, in one canonical form: plans of equal content share code. */
import type { Kernel, Plan } from '../kernels.ts';
import { laneProgramOf } from './lane-program.ts';

const contents = new WeakMap<Plan, string>();

export function planContent(plan: Plan): string {
  const known = contents.get(plan);
  if (known !== undefined) return known;
  const { batchSize, panel, arenaBytes, buffers, programs } = plan;
  const content = [
    batchSize,
    panel,
    arenaBytes,
    buffers.map((b) => [b.kind, b.rows, b.columns, b.capacityRows, b.offset]),
    Object.entries(programs).map(([name, p]) => [
      name,
      p.inputs.length,
      p.outputs.length,
      p.kernels.map(kernelContent),
    ]),
  ];
  const text = JSON.stringify(content, (_, value: unknown) => distinct(value));
  contents.set(plan, text);
  return text;
}

/** JSON has no word for these numbers. */
function distinct(value: unknown): unknown {
  if (Object.is(value, -0)) return '-0';
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

function kernelContent(kernel: Kernel): unknown {
  const { label: _, ...content } = kernel;
  if (kernel.kind !== 'map' && kernel.kind !== 'gemm') return content;
  const stores = kernel.stores.map(({ expr: _, ...store }) => store);
  return { ...content, stores, program: laneProgramOf(kernel) };
}
