/**
 * The fitted preprocessing of a model: all it takes to turn raw rows into features and outputs into answers.
 * It is stored as JSON with the model; the schema is the one that reads it back.
 */
import { z } from 'zod';
import { listWords, pointerTo, quote, type SpecIssue, suggestion } from './issues.ts';
import { categoricalPreprocessors } from './kinds/categorical-preprocessors/registry.ts';
import { numericPreprocessors } from './kinds/numeric-preprocessors/registry.ts';

const numericFeature = z.strictObject({
  name: z.string(),
  type: z.literal('numeric'),
  kind: z.string(),
  fitted: z.record(z.string(), z.number()),
});

const categoricalFeature = z.strictObject({
  name: z.string(),
  type: z.literal('categorical'),
  kind: z.string(),
  categories: z.array(z.string()),
});

export const preprocessingSchema = z.strictObject({
  features: z.array(z.discriminatedUnion('type', [numericFeature, categoricalFeature])),
  target: z.strictObject({
    name: z.string(),
    type: z.enum(['numeric', 'categorical']),
    /** Labels by code; empty for a numeric target. */
    classes: z.array(z.string()),
  }),
  featureCount: z.int(),
  targetCount: z.int(),
});

export type Preprocessing = z.output<typeof preprocessingSchema>;
export type FeatureEncoding = Preprocessing['features'][number];

/** How many columns a feature becomes. */
export const widthOf = (feature: FeatureEncoding): number =>
  feature.type === 'numeric'
    ? 1
    : categoricalPreprocessors.get(feature.kind).width(feature.categories.length);

/**
 * Writes one value's encoding at `offset`. A numeric feature takes the number, a categorical one the code
 * (−1: unknown).
 */
export type EncodeValue = (value: number, out: Float32Array, offset: number) => void;

export function encoderOf(feature: FeatureEncoding): EncodeValue {
  if (feature.type === 'numeric') {
    const { apply } = numericPreprocessors.get(feature.kind);
    const { fitted } = feature;
    return (value, out, offset) => {
      out[offset] = apply(value, fitted);
    };
  }
  const { encode } = categoricalPreprocessors.get(feature.kind);
  const categories = feature.categories.length;
  return (code, out, offset) => encode(code, out, offset, categories);
}

/** More issues than this are not listed. */
const ISSUES_MAX = 100;

/**
 * Encodes rows given by column name; the target's own column may be present and is not read. Numbers must be finite
 * numbers, categories strings (or the numbers they are written as) seen in the dataset.
 * Returns rows × featureCount values, or what is wrong where (`#/rows/3/petal_length`).
 */
export function encodeRows(
  preprocessing: Preprocessing,
  rows: readonly Readonly<Record<string, unknown>>[],
): { readonly features: Float32Array } | { readonly issues: readonly SpecIssue[] } {
  const { featureCount } = preprocessing;
  const columns = preprocessing.features.map((feature) => ({
    feature,
    encode: encoderOf(feature),
    codes: new Map(feature.type === 'categorical' ? feature.categories.map((c, code) => [c, code]) : []),
  }));
  const names = preprocessing.features.map(({ name }) => name);
  const known = new Set([...names, preprocessing.target.name]);
  const features = new Float32Array(rows.length * featureCount);
  const issues: SpecIssue[] = [];
  for (const [i, row] of rows.entries()) {
    for (const name of Object.keys(row)) {
      if (known.has(name)) continue;
      const detail = `the model has no column ${quote(name)}${suggestion(name, names)}; it takes ${listWords(names)}`;
      issues.push({ pointer: pointerTo(['rows', i, name]), detail });
    }
    let offset = i * featureCount;
    for (const { feature, encode, codes } of columns) {
      const given = Object.hasOwn(row, feature.name) ? row[feature.name] : undefined;
      const read =
        feature.type === 'numeric' ? readNumber(given) : readCode(given, feature.categories, codes);
      if (typeof read === 'number') encode(read, features, offset);
      else issues.push({ pointer: pointerTo(['rows', i, feature.name]), detail: read.problem });
      offset += widthOf(feature);
    }
    if (issues.length >= ISSUES_MAX) return { issues: issues.slice(0, ISSUES_MAX) };
  }
  return issues.length > 0 ? { issues } : { features };
}

type Problem = { readonly problem: string };

function readNumber(value: unknown): number | Problem {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (value === undefined || value === null) return { problem: 'is missing; it takes a number' };
  return { problem: `${quote(value)} is not a finite number` };
}

function readCode(
  value: unknown,
  categories: readonly string[],
  codes: ReadonlyMap<string, number>,
): number | Problem {
  if (value === undefined || value === null)
    return { problem: `is missing; it takes one of ${listWords(categories)}` };
  if (typeof value !== 'string' && typeof value !== 'number') {
    return { problem: `${quote(value)} is not a string; it takes one of ${listWords(categories)}` };
  }
  const word = String(value);
  const code = codes.get(word);
  if (code !== undefined) return code;
  return {
    problem: `${quote(word)} is not a category of it${suggestion(word, categories)}; it takes ${listWords(categories)}`,
  };
}
