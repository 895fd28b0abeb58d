/** An activation on a node, and the initial weights that suit the layer before it. */
import type { GraphBuilder, Node } from '../../graph.ts';
import { activations } from '../activations/registry.ts';

type ActivationSpec = { readonly kind: string };

export function activate(graph: GraphBuilder, x: Node, spec: ActivationSpec): Node {
  const { formula, derivativeFromOutput } = activations.get(spec.kind);
  return graph.map(
    x,
    (z) => formula(z, spec),
    derivativeFromOutput && ((y) => derivativeFromOutput(y, spec)),
  );
}

const WEIGHTS = { symmetric: { kind: 'xavierUniform' }, rectifier: { kind: 'heNormal' } } as const;

export const defaultWeights = (spec: ActivationSpec): { readonly kind: string } =>
  WEIGHTS[activations.get(spec.kind).family];
