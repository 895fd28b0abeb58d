/** Clipping by what all gradients are together: their squares are summed once all are there, before any update. */
import type { BufferTable } from './buffers.ts';
import type { Expr } from './expr.ts';
import { add, constant, input, mul, rowSum } from './expr.ts';
import type { Parameter } from './graph.ts';
import type { Kernel, Source } from './kernels.ts';
import { gradientClippings } from './kinds/gradient-clippings/registry.ts';
import { lower } from './lower.ts';
import { storeTo } from './network.ts';

const FACTOR = 'clip';

export interface Clipping {
  kernels(gradients: readonly (readonly [Parameter, Source])[]): readonly Kernel[];
  clipped(gradient: Expr): Expr;
  readonly sources: Readonly<Record<string, Source>>;
}

export function createClipping(spec: { readonly kind: string }, buffers: BufferTable): Clipping {
  const scalar = (name: string) => buffers.vector(`clipping.${name}`, 1);
  const seen = (buffer: number): Source => ({ from: 'buffer', buffer, extent: 'scalar' });
  const factor = scalar('factor');
  return {
    sources: { [FACTOR]: seen(factor) },
    clipped: (gradient) => mul(gradient, input(FACTOR, 'scalar')),
    kernels: (gradients) => {
      const kernels: Kernel[] = [];
      const totals = gradients.map(([p, source]) => {
        if (source.from !== 'buffer') throw new Error('a gradient lies in a buffer');
        const total = scalar(p.name);
        const { rows, columns } = buffers.shape(source.buffer);
        const along = (buffer: number, length: typeof columns, e: Expr): void => {
          const sources = { x: { from: 'buffer', buffer, extent: 'col' } as const };
          const outputs = [{ expr: rowSum(e), target: storeTo(total) }];
          kernels.push(
            ...lower({ label: `${p.name} norm`, rows: 1, columns: length, sources, outputs }, buffers),
          );
        };
        const x = input('x', 'col');
        if (source.extent === 'col') along(source.buffer, columns, mul(x, x));
        else {
          const perRow = buffers.vector(`clipping.${p.name}.rows`, rows);
          const g = input('g');
          kernels.push(
            ...lower(
              {
                label: `${p.name} norm`,
                rows,
                columns,
                sources: { g: source },
                outputs: [{ expr: rowSum(mul(g, g)), target: storeTo(perRow) }],
              },
              buffers,
            ),
          );
          along(perRow, rows, x);
        }
        return total;
      });
      const names = totals.map((_, i) => `total${i}`);
      const squares = names
        .map((name) => input(name, 'scalar'))
        .reduce<Expr>((sum, t) => add(sum, t), constant(0));
      const expr = gradientClippings.get(spec.kind).factor(squares, spec);
      kernels.push(
        ...lower(
          {
            label: 'clipping factor',
            rows: 1,
            columns: 1,
            sources: Object.fromEntries(totals.map((buffer, i) => [`total${i}`, seen(buffer)])),
            outputs: [{ expr, target: storeTo(factor) }],
          },
          buffers,
        ),
      );
      return kernels;
    },
  };
}
