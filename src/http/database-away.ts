// Which errors say that the database cannot serve anybody just now, so that it is worth asking again. They come from
// sockets, from Prisma, or with Postgres's own code inside what Prisma throws.

const awayCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'ENOTFOUND',
  'P1001',
  'P1002',
  'P1017',
  'P2024',
]);

/** Connection exception, insufficient resources (a full disk), operator intervention (shut down, starting up). */
const awayStates = /^(08|53|57P)/;

export function isDatabaseAway(error: unknown): boolean {
  const state = field(field(field(field(error, 'meta'), 'driverAdapterError'), 'cause'), 'originalCode');
  return awayCodes.has(String(field(error, 'code'))) || awayStates.test(String(state));
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
