// The receipt of a run in one hash. The chain begins with the recipe (the spec, with the dataset named by its
// content), and each epoch adds the hash of its weights: equal heads mean equal trainings, epoch by epoch.
import { canonicalJson } from '../engine/canonical-json.ts';
import { sha256Hex } from '../idempotency/sha256.ts';

/** What a spec trains on, wherever it was uploaded: chain 0. */
export function recipeOf(spec: { readonly data: object }, contentSha256: string): string {
  return sha256Hex(canonicalJson({ ...spec, data: { ...spec.data, dataset: contentSha256 } }));
}

/** The chain of an epoch from that of the one before it. */
export function chainOf(previous: string, epoch: number, weightsSha256: string): string {
  return sha256Hex(`${previous} ${epoch} ${weightsSha256}`);
}
