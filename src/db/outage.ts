// Whether an error means that the database cannot be asked at the moment, as opposed to having been asked something
// wrong. Drivers wrap each other's errors, so every layer of one is looked at.

/** Of sockets, and Prisma's own: not reachable, timed out, connection closed, no connection or transaction to be had. */
const codes: ReadonlySet<string> = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'],
  ...['ENOTFOUND', 'EAI_AGAIN'],
  ...['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2037'],
  // What a standby answers to a write.
  '25006',
]);

/** What Prisma's adapter makes of a socket's error, whose code it drops. */
const kinds: ReadonlySet<string> = new Set([
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'TooManyConnections',
  'TlsConnectionError',
]);

/** No connection; out of memory, disk or connections; told to stop, or only just starting. */
const sqlStateClasses = /^(08|53|57)[0-9A-Z]{3}$/;

/** A statement's own limit, and its being cancelled, are of class 57 as well. */
const ownLimits: ReadonlySet<string> = new Set(['57014']);

/** pg gives these no code. */
const words =
  /^(timeout exceeded when trying to connect|timeout expired|Query read timeout|Connection terminated|Client has encountered a connection error|Client was closed)/;

const layersMax = 8;

export function isOutage(error: unknown): boolean {
  return layersOf(error, layersMax).some(
    ({ code, originalCode, kind, message }) =>
      isOutageCode(code) ||
      isOutageCode(originalCode) ||
      (typeof kind === 'string' && kinds.has(kind)) ||
      (typeof message === 'string' && words.test(message)),
  );
}

function isOutageCode(code: unknown): boolean {
  return typeof code === 'string' && !ownLimits.has(code) && (codes.has(code) || sqlStateClasses.test(code));
}

type Layer = Readonly<Record<string, unknown>>;

function layersOf(value: unknown, depth: number): Layer[] {
  if (!isLayer(value) || depth === 0) return [];
  const { cause, meta, errors } = value;
  const inner = [
    cause,
    isLayer(meta) ? meta.driverAdapterError : null,
    ...(Array.isArray(errors) ? errors : []),
  ];
  return [value, ...inner.flatMap((layer) => layersOf(layer, depth - 1))];
}

function isLayer(value: unknown): value is Layer {
  return typeof value === 'object' && value !== null;
}
