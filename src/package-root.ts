// Files that are read at run time (migrations, package.json, examples) lie in the package's root, which is
// one folder further away from dist/src than from src.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds this package's package.json. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) {
      throw new Error('package.json was not found above the running code');
    }
    folder = parent;
  }
  return folder;
}
