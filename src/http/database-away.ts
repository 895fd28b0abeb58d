// Which errors say that the database cannot serve anybody just now, so that it is worth asking again. They come from
// sockets, from Prisma, from pg by their text alone, or with Postgres's own code inside what Prisma throws.

const awayCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'ENOTFOUND',
  'P1001',
  'P1002',
  'P1017',
  'P2024',
  // A transaction that could not begin, or lost its connection.
  'P2028',
]);

/** How Prisma's driver names what happened to a socket. */
const awayKinds = new Set(['DatabaseNotReachable', 'ConnectionClosed', 'SocketTimeout']);

/** Connection exception, insufficient resources (a full disk), operator intervention (shut down, starting up). */
const awayStates = /^(08|53|57P)/;

/** pg has no code for these. */
const awayTexts = /^(Connection terminated|timeout exceeded when trying to connect)/;

export function isDatabaseAway(error: unknown): boolean {
  const cause = field(field(field(error, 'meta'), 'driverAdapterError'), 'cause');
  return (
    awayCodes.has(text(error, 'code')) ||
    awayKinds.has(text(cause, 'kind')) ||
    awayStates.test(text(cause, 'originalCode')) ||
    awayTexts.test(text(error, 'message'))
  );
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function text(value: unknown, name: string): string {
  const found = field(value, name);
  return typeof found === 'string' ? found : '';
}
