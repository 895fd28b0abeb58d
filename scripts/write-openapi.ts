// Writes openapi/openapi.json from the routes' schemas, or prints it with --print. Needs neither a database
// nor a queue: the routes are only registered.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeApi } from '../src/http/openapi-document.ts';
import { packageRoot } from '../src/package-root.ts';

const path = join(packageRoot(), 'openapi', 'openapi.json');
const { version } = JSON.parse(await readFile(join(packageRoot(), 'package.json'), 'utf8'));
const document = await describeApi(String(version));

if (process.argv.includes('--print')) {
  process.stdout.write(document);
} else {
  await writeFile(path, document);
}
