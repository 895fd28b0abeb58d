/**
 * Expressions with reductions become kernels without them. Work is cut into stages: a reduction is stored to a vector
 * in the stage where its operand is ready, and read by later ones. Values per row or per column that are dear to
 * compute get a vector kernel of their own; full-size calls (exp, …) that a later stage needs again are stored too,
 * everything else is computed again. Nothing here changes a bit of a result.
 */
import type { BufferTable } from './buffers.ts';
import type { Expr } from './expr.ts';
import { extentOf, index, input, operands } from './expr.ts';
import { createInterner } from './intern.ts';
import type { Binding, BufferId, Dim, Grid, MapKernel, Source, Store } from './kernels.ts';
import { expandCalls } from './math.ts';
import { mapOperands, rewrite } from './rewrite.ts';
import { contains } from './search.ts';
import { simplify } from './simplify.ts';

export interface Output {
  readonly expr: Expr;
  readonly target: Store['target'];
}

export interface Lowering {
  readonly label: string;
  readonly rows: Dim;
  readonly columns: Dim;
  /** Of the rows, where a source or target has a view. */
  readonly grid?: Grid;
  /** Where the expressions' inputs come from. */
  readonly sources: Readonly<Record<string, Source>>;
  readonly outputs: readonly Output[];
}

/** rows × columns with reductions one way, or none; or a vector (1 × rows, 1 × columns) seen along its length. */
type Shape = 'row' | 'col' | 'plain' | 'rowVector' | 'colVector';
const SHAPES: readonly Shape[] = ['row', 'col', 'plain', 'rowVector', 'colVector'];
type Draft = { readonly stage: number; readonly shape: Shape; readonly stores: Store[] };

const DEAR = new Set<Expr['op']>(['call', 'div', 'sqrt']);
const withoutStops = (e: Expr): Expr => rewrite(e, (node) => (node.op === 'stop' ? node.a : node));

export function lower(at: Lowering, buffers: BufferTable): MapKernel[] {
  const intern = createInterner();
  const extents = new Map<Expr, ReturnType<typeof extentOf>>();
  const extent = (e: Expr) => extentOf(e, extents);
  const sources = new Map<string, Source>(Object.entries(at.sources));
  const drafts: Draft[] = [];
  const inPlace = new Set(Object.values(at.sources).flatMap((s) => (s.from === 'buffer' ? [s.buffer] : [])));
  /** With a single row, a value per column is as full as it gets, and is kept in a vector. */
  const wholeExtent = at.rows === 1 ? 'col' : 'full';
  const isFull = (e: Expr): boolean => extent(e) === 'full' || (at.rows === 1 && extent(e) === 'col');

  const dearMemo = new Map<Expr, boolean>();
  const isDear = (e: Expr): boolean => {
    const known = dearMemo.get(e);
    if (known !== undefined) return known;
    const dear = DEAR.has(e.op) || (e.op !== 'reduce' && operands(e).some(isDear));
    dearMemo.set(e, dear);
    return dear;
  };
  /** A value per row or column that a full-size expression uses, worth computing once. */
  const isVectorCut = (e: Expr): boolean =>
    (extent(e) === 'row' || extent(e) === 'col') &&
    !isFull(e) &&
    e.op !== 'input' &&
    e.op !== 'reduce' &&
    isDear(e);

  /** The first stage in which an expression can be computed. */
  const stageMemo = new Map<Expr, number>();
  const stageOf = (e: Expr): number => {
    const known = stageMemo.get(e);
    if (known !== undefined) return known;
    const inner = operands(e).map((o) => {
      const later = o.op === 'reduce' || ((isFull(e) || e.op === 'reduce') && isVectorCut(o));
      return stageOf(o) + (later ? 1 : 0);
    });
    const stage = Math.max(0, ...inner);
    stageMemo.set(e, stage);
    return stage;
  };

  const draft = (stage: number, shape: Shape): Draft => {
    const found = drafts.find((d) => d.stage === stage && d.shape === shape);
    if (found !== undefined) return found;
    const made: Draft = { stage, shape, stores: [] };
    drafts.push(made);
    return made;
  };

  /** Buffers that hold an expression's value, by the name of the input that reads it. */
  const held = new Map<Expr, string>();
  const hold = (e: Expr, buffer: BufferId, as: 'full' | 'row' | 'col'): string => {
    const name = `$${held.size}`;
    held.set(e, name);
    sources.set(name, { from: 'buffer', buffer, extent: as });
    return name;
  };
  const temporary = (
    e: Expr,
    length: Dim | null,
    as: 'full' | 'row' | 'col',
  ): { name: string; target: Store['target'] } => {
    const name = `${at.label}.$${held.size}`;
    const buffer =
      length === null
        ? buffers.matrix(name, at.rows, fixed(at.columns), 'work')
        : buffers.vector(name, length, 'work');
    return { name: hold(e, buffer, as), target: { to: 'buffer', buffer } };
  };

  const storeReduction = (e: Extract<Expr, { op: 'reduce' }>, target: Store['target']): void => {
    const stage = stageOf(e);
    const expr = inMatrix(e.a, stage, true);
    draft(stage, e.to).stores.push({ expr, reduce: { fn: e.fn, to: e.to }, target });
  };
  const storeVector = (e: Expr, stage: number, target: Store['target']): void => {
    const shape = extent(e) === 'row' ? 'rowVector' : 'colVector';
    draft(stage, shape).stores.push({ expr: inVector(e), target });
  };
  const storeFull = (e: Expr, stage: number, target: Store['target']): void => {
    draft(stage, at.rows === 1 ? 'colVector' : 'plain').stores.push({
      expr: inMatrix(e, stage, false),
      target,
    });
  };

  const reductionName = (e: Extract<Expr, { op: 'reduce' }>): string => {
    const known = held.get(e);
    if (known !== undefined) return known;
    const { name, target } = temporary(e, e.to === 'row' ? at.rows : at.columns, e.to);
    storeReduction(e, target);
    return name;
  };
  const vectorName = (e: Expr): string => {
    const known = held.get(e);
    if (known !== undefined) return known;
    const to = extent(e) === 'row' ? 'row' : 'col';
    const { name, target } = temporary(e, to === 'row' ? at.rows : at.columns, to);
    storeVector(e, stageOf(e), target);
    return name;
  };
  const callName = (e: Expr): string => {
    const known = held.get(e);
    if (known !== undefined) return known;
    const { name, target } = temporary(e, at.rows === 1 ? at.columns : null, wholeExtent);
    storeFull(e, stageOf(e), target);
    return name;
  };

  /** The expression as a kernel of the given stage computes it: whatever earlier stages hold becomes an input. */
  const rewritten = new Map<string, Map<Expr, Expr>>();
  const remembered = (where: string, e: Expr, make: () => Expr): Expr => {
    const memo = rewritten.get(where) ?? new Map<Expr, Expr>();
    rewritten.set(where, memo);
    const result = memo.get(e) ?? make();
    memo.set(e, result);
    return result;
  };
  const inMatrix = (e: Expr, stage: number, underFull: boolean): Expr =>
    remembered(`${stage} ${underFull}`, e, () => matrixForm(e, stage, underFull));
  const matrixForm = (e: Expr, stage: number, underFull: boolean): Expr => {
    if (e.op === 'reduce') return input(reductionName(e), e.to);
    if (underFull && isVectorCut(e)) return input(vectorName(e), extent(e));
    if (e.op === 'call' && isFull(e) && stageOf(e) < stage) return input(callName(e), wholeExtent);
    return mapOperands(e, (o) => inMatrix(o, stage, isFull(e)));
  };
  /** The same for a vector kernel, whose domain is one row along the vector. */
  const inVector = (e: Expr): Expr => remembered('vector', e, () => vectorForm(e));
  const vectorForm = (e: Expr): Expr => {
    if (e.op === 'reduce') return input(reductionName(e), 'col');
    if (e.op === 'input' && e.extent !== 'scalar') return input(e.name, 'col');
    if (e.op === 'index') return index('col');
    return mapOperands(e, inVector);
  };

  const outputs = at.outputs.map((o) => ({ ...o, expr: intern(simplify(withoutStops(o.expr))) }));
  /** A matrix can be filled from less than a full-size expression; a reduction is then read back in the next stage. */
  const fills = (o: Output): boolean =>
    o.target.to === 'buffer' && (isFull(o.expr) || buffers.shape(o.target.buffer).kind === 'matrix');
  const ready = (o: Output): number => stageOf(o.expr) + (fills(o) && o.expr.op === 'reduce' ? 1 : 0);
  const last = Math.max(...outputs.map(ready));
  /** A full-size value that another output is computed from is stored where that one is: it is computed once. */
  const sharedStage = (o: Output): number => {
    if (!fills(o) || o.expr.op === 'reduce') return ready(o);
    const users = outputs.filter((p) => p !== o && fills(p) && computes(p.expr, o.expr));
    return Math.max(ready(o), ...users.map(ready));
  };
  const updates = (o: Output): boolean => o.target.to === 'buffer' && inPlace.has(o.target.buffer);

  const direct = outputs.filter((o) => o.expr.op === 'reduce' && !fills(o));
  for (const { expr, target } of direct) {
    if (expr.op !== 'reduce') continue;
    // Whoever else needs the reduction reads it where the first output wants it.
    if (target.to === 'buffer' && !held.has(expr)) hold(expr, target.buffer, expr.to);
    storeReduction(expr, target);
  }
  for (const o of outputs) {
    if (direct.includes(o)) continue;
    if (o.target.to === 'stepOutput') throw new Error(`${at.label}: a step output must be a reduction`);
    // What a later stage might still read is overwritten in the last.
    const stage = updates(o) ? last : sharedStage(o);
    if (fills(o)) storeFull(o.expr, stage, o.target);
    else storeVector(o.expr, stage, o.target);
  }
  return finish(at, drafts, sources, inPlace);
}

/** Whether an expression has the other as a part, not behind a reduction, which is another value's. */
const computes = (e: Expr, part: Expr): boolean =>
  contains(
    e,
    (node) => node === part,
    (node) => node.op !== 'reduce',
  );

const fixed = (d: Dim): number => {
  if (typeof d !== 'number') throw new Error('a matrix cannot have a column per row of the batch');
  return d;
};

function finish(
  at: Lowering,
  drafts: readonly Draft[],
  sources: ReadonlyMap<string, Source>,
  inPlace: ReadonlySet<BufferId>,
): MapKernel[] {
  const merged: Draft[] = [];
  for (const d of drafts) {
    // Elementwise stores ride along with a reduction over the same domain and stage.
    const host =
      d.shape === 'plain'
        ? drafts.find((h) => h.stage === d.stage && /^(row|col)$/.test(h.shape))
        : undefined;
    if (host === undefined) merged.push(d);
    else host.stores.push(...d.stores);
  }
  const writes = (d: Draft): boolean =>
    d.stores.some((s) => s.target.to === 'buffer' && inPlace.has(s.target.buffer));
  merged.sort(
    (a, b) =>
      a.stage - b.stage ||
      Number(writes(a)) - Number(writes(b)) ||
      SHAPES.indexOf(a.shape) - SHAPES.indexOf(b.shape),
  );
  const overwritten = new Set<BufferId>();
  return merged.map((d) => {
    const stores = d.stores.map((s) => ({ ...s, expr: expandCalls(s.expr) }));
    const isVector = d.shape === 'rowVector' || d.shape === 'colVector';
    const bindings = bindingsOf(stores, sources, d.shape === 'rowVector');
    for (const b of bindings) {
      if (b.source.from === 'buffer' && overwritten.has(b.source.buffer)) {
        throw new Error(`${at.label}: ${b.name} is read after it was overwritten`);
      }
    }
    for (const s of stores) {
      if (s.target.to === 'buffer' && inPlace.has(s.target.buffer)) overwritten.add(s.target.buffer);
    }
    return {
      kind: 'map',
      label: at.label,
      rows: isVector ? 1 : at.rows,
      columns: d.shape === 'rowVector' ? at.rows : at.columns,
      ...(!isVector && at.grid !== undefined && { grid: at.grid }),
      bindings,
      stores,
    };
  });
}

/** The inputs that some expressions read, each once; `asColumns` sees vectors per row along their length. */
export function bindingsOf(
  stores: readonly { readonly expr: Expr }[],
  sources: ReadonlyMap<string, Source>,
  asColumns = false,
): Binding[] {
  const found = new Map<string, Binding>();
  const seen = new Set<Expr>();
  const visit = (e: Expr): void => {
    if (seen.has(e)) return;
    seen.add(e);
    for (const o of operands(e)) visit(o);
    if (e.op !== 'input' || found.has(e.name)) return;
    const source = sources.get(e.name);
    if (source === undefined) throw new Error(`input ${e.name} has no source`);
    const seenAs =
      asColumns && source.from === 'buffer' && source.extent === 'row'
        ? { ...source, extent: 'col' as const }
        : source;
    const expected = seenAs.from === 'buffer' ? seenAs.extent : 'scalar';
    if (expected !== e.extent) throw new Error(`input ${e.name}: bound as ${expected}, read as ${e.extent}`);
    found.set(e.name, { name: e.name, source: seenAs });
  };
  for (const s of stores) visit(s.expr);
  return [...found.values()];
}
