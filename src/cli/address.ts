// Where the service is and which key opens it: option, environment, then the data folder.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { usageFailure } from './failure.ts';
import type { ServiceAddress } from './problem.ts';
import { readServiceFile } from './service-file.ts';

export interface Environment {
  readonly [name: string]: string | undefined;
}

/**
 * `--url`, TRAINYARD_URL, the service running on the data folder, or port 8080 of this machine.
 * The folder's own key is used for this machine only: another host must not be handed it.
 */
export function resolveAddress(urlOption: string | undefined, env: Environment): ServiceAddress {
  const dataDir = env.DATA_DIR || '.trainyard';
  const named = urlOption ?? (env.TRAINYARD_URL || undefined);
  const url = cleanUrl(named ?? readServiceFile(dataDir)?.url ?? `http://127.0.0.1:${env.PORT || 8080}`);
  for (const name of ['TRAINYARD_API_KEY', 'API_KEY']) {
    const key = env[name]?.trim();
    if (key) return { url, key, keySource: name };
  }
  const keySource = join(dataDir, 'admin-key');
  const key = isThisMachine(url) ? readKeyFile(keySource) : null;
  return { url, key, keySource };
}

export function readKeyFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim() || null;
  } catch {
    return null;
  }
}

function cleanUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.search || url.hash) {
    throw usageFailure(`"${text}" is not an address like http://127.0.0.1:8080.`);
  }
  return url.href.replace(/\/+$/, '');
}

function isThisMachine(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}
