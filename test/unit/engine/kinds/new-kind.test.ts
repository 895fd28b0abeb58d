/** A kind is one file and one entry in its family's registry: done to a copy of the sources, nothing else edited. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ActivationKind } from '../../../../src/engine/kinds/kind.ts';
import { packageRoot } from '../../../../src/package-root.ts';
import { describeConformance } from './conformance.ts';

const copy = mkdtempSync(join(tmpdir(), 'trainyard-kind-'));
afterAll(() => rmSync(copy, { recursive: true, force: true }));
for (const part of ['src', 'package.json', 'prisma']) {
  cpSync(join(packageRoot(), part), join(copy, part), { recursive: true });
}
symlinkSync(join(packageRoot(), 'node_modules'), join(copy, 'node_modules'));

const family = join(copy, 'src', 'engine', 'kinds', 'activations');
writeFileSync(
  join(family, 'softsign.ts'),
  `import { z } from 'zod';
import { abs, add, div } from '../../expr.ts';
import type { ActivationKind } from '../kind.ts';

const schema = z
  .strictObject({ kind: z.literal('softsign') })
  .meta({ id: 'SoftsignActivation', description: 'y = x / (1 + |x|)' });

export const softsign: ActivationKind<typeof schema> = {
  kind: 'softsign',
  schema,
  family: 'symmetric',
  formula: (x) => div(x, add(1, abs(x))),
};
`,
);
const registry = join(family, 'registry.ts');
writeFileSync(
  registry,
  `import { softsign } from './softsign.ts';\n${readFileSync(registry, 'utf8').replace('softmax]', 'softmax, softsign]')}`,
);

const { activations } = await import(registry);
const { describeApi } = await import(join(copy, 'src', 'http', 'openapi-document.ts'));
const { engineSpec } = await import(join(copy, 'src', 'engine', 'spec.ts'));

describe('a kind added to a copy of the sources', () => {
  it('is in the look-up and in the spec', () => {
    const kinds = activations.kinds.map(({ kind }: ActivationKind) => kind);
    expect(kinds).toContain('softsign');
    const model = { layers: [{ kind: 'dense', units: 1, activation: { kind: 'softsign' } }] };
    const body = { data: { dataset: 'd', target: 't' }, model, training: { epochs: 1 } };
    expect(engineSpec.parse(body).model.layers[0].activation).toEqual({ kind: 'softsign' });
  });

  it('is in the OpenAPI document', async () => {
    const { schemas } = JSON.parse(await describeApi('0.0.0')).components;
    expect(schemas.SoftsignActivation.properties.kind).toMatchObject({ const: 'softsign' });
    expect(schemas.Activation.oneOf).toContainEqual({ $ref: '#/components/schemas/SoftsignActivation' });
    expect(schemas.Activation.discriminator.mapping.softsign).toBe('#/components/schemas/SoftsignActivation');
  });
});

describe('with it', () => describeConformance({ activation: activations }));
