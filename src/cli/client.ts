// One authenticated way to the service over fetch(); every failure leaves as readable text.
import { describeNoAnswer, readProblem, type ServiceAddress } from './problem.ts';

export interface RequestOptions {
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface Client {
  readonly address: ServiceAddress;
  /** Resolves on 2xx only; anything else throws a failure with text for people. */
  request(method: string, path: string, options?: RequestOptions): Promise<Response>;
  /** As `request`, and reads the JSON answer. */
  json(method: string, path: string, options?: RequestOptions): Promise<unknown>;
}

/** A client of the service at `address`; it holds no connection that has to be closed. */
export function createClient(address: ServiceAddress): Client {
  const request: Client['request'] = async (method, path, options = {}) => {
    const headers = new Headers({ accept: 'application/json', ...options.headers });
    if (address.key !== null) headers.set('authorization', `Bearer ${address.key}`);
    const response = await send(`${address.url}${path}`, { ...options, method, headers });
    if (response.ok) return response;
    throw await readProblem(response, address);
  };
  const send = async (url: string, init: RequestInit): Promise<Response> => {
    try {
      return await fetch(url, { ...init, redirect: 'error' });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw describeNoAnswer(error, address);
    }
  };
  return {
    address,
    request,
    json: async (method, path, options) => (await request(method, path, options)).json(),
  };
}
