/**
 * The layers of a spec as a graph: which layers each takes, and the shape of what it puts out. A layer takes those before
 * it: the last one, or those it names; "data" names the network's input. The last layer is the network's output.
 */
import { listWords, pointerTo, quote, type SpecIssue, suggestion } from './issues.ts';
import type { LayerShape } from './kinds/kind.ts';
import { describeShape } from './kinds/layers/fields.ts';
import { layers } from './kinds/layers/registry.ts';

/** A layer's part of the spec. */
export interface LayerSpec {
  readonly kind: string;
  readonly name?: string | undefined;
  readonly input?: string | undefined;
  readonly inputs?: readonly string[] | undefined;
  readonly [field: string]: unknown;
}

/** More issues than these are not looked for. */
const ISSUES_MAX = 50;

export const DATA = 'data';
/** The place of the network's own input among a layer's inputs. */
export const DATA_INDEX = -1;

export interface LayerLinks {
  /** Per layer the layers it takes, DATA_INDEX for the data. */
  readonly inputs: readonly (readonly number[])[];
  readonly issues: readonly SpecIssue[];
}

/** What each layer takes. Names that nobody has, or two have, and layers that lead nowhere are issues. */
export function linkLayers(specs: readonly LayerSpec[]): LayerLinks {
  const issues: SpecIssue[] = [];
  const byName = new Map<string, number>([[DATA, DATA_INDEX]]);
  const inputs = specs.map((spec, i): readonly number[] => {
    const at = (...path: (string | number)[]): string => pointerTo(['model', 'layers', i, ...path]);
    const several = layers.get(spec.kind).takes === 'several';
    const wanted = several ? (spec.inputs ?? []) : spec.input === undefined ? null : [spec.input];
    const found = (wanted ?? []).map((name, k) => {
      const index = byName.get(name);
      if (index !== undefined) return index;
      if (issues.length >= ISSUES_MAX) return DATA_INDEX;
      const pointer = several ? at('inputs', k) : at('input');
      const later = specs.some((other) => other.name === name);
      const known = [...byName.keys()];
      const why = later
        ? 'comes later or is the layer itself; a layer takes only those before it'
        : `is no layer before this one${suggestion(name, known)}; there are ${listWords(known)}`;
      issues.push({ pointer, detail: `${quote(name)} ${why}` });
      return DATA_INDEX;
    });
    if (spec.name !== undefined) {
      if (byName.has(spec.name)) {
        const detail =
          spec.name === DATA
            ? `"${DATA}" is the name of the network's input; choose another`
            : `two layers are named ${quote(spec.name)}; rename one`;
        issues.push({ pointer: at('name'), detail });
      }
      byName.set(spec.name, i);
    }
    return wanted === null ? [i - 1] : found;
  });
  if (issues.length > 0) return { inputs, issues };
  const used = new Set<number>([specs.length - 1]);
  for (let i = specs.length - 1; i >= 0; i--) {
    // Of a chain that leads nowhere, only the end is told.
    for (const x of inputs[i] ?? []) used.add(x);
    if (used.has(i) || issues.length >= ISSUES_MAX) continue;
    const detail = `nothing takes the output of layer ${labelOf(specs[i], i)}; name it as an input of a later layer, or remove it`;
    issues.push({ pointer: pointerTo(['model', 'layers', i]), detail });
  }
  return { inputs, issues };
}

/** How messages name a layer: `"first"` or `3 (conv2d)`. */
const labelOf = (spec: LayerSpec | undefined, i: number): string =>
  spec?.name === undefined ? `${i} (${spec?.kind ?? DATA})` : `${quote(spec.name)} (${spec.kind})`;

export interface LayerShapes {
  /** Up to the first that does not fit. */
  readonly shapes: readonly LayerShape[];
  readonly issue: SpecIssue | null;
}

/** The shape after each layer of a spec whose links are in order. */
export function shapeLayers(
  specs: readonly LayerSpec[],
  inputs: LayerLinks['inputs'],
  features: number,
): LayerShapes {
  const data: LayerShape = { features, image: null };
  const shapes: LayerShape[] = [];
  for (const [i, spec] of specs.entries()) {
    const sources = inputs[i] ?? [];
    const given = sources.map((x) => (x === DATA_INDEX ? data : shapes[x])).filter((s) => s !== undefined);
    const shape = layers.get(spec.kind).outputShape(given, spec);
    if ('misfit' in shape) {
      const from = new Map<string, string>();
      for (const [k, x] of sources.entries()) {
        const what = x === DATA_INDEX ? 'the data' : `layer ${labelOf(specs[x], x)}`;
        const shown = describeShape(given[k] ?? data);
        if (!from.has(shown)) from.set(shown, `${what} gives ${shown}`);
      }
      // Of several inputs the first, and the first that differs.
      const detail = `layer ${labelOf(spec, i)} ${shape.misfit}; ${[...from.values()].slice(0, 2).join(', ')}`;
      return { shapes, issue: { pointer: pointerTo(['model', 'layers', i]), detail } };
    }
    shapes.push(shape);
  }
  return { shapes, issue: null };
}

/** The same for a spec that has been checked: throws on what checkSpec would have told. */
export function layerShapesOf(specs: readonly LayerSpec[], features: number) {
  const { inputs, issues } = linkLayers(specs);
  const { shapes, issue } = shapeLayers(specs, inputs, features);
  const first = issues[0] ?? issue;
  if (first !== null && first !== undefined) throw new Error(first.detail);
  const data: LayerShape = { features, image: null };
  const given = inputs.map((list) => list.map((x) => (x === DATA_INDEX ? data : (shapes[x] ?? data))));
  return { inputs, shapes, given };
}
