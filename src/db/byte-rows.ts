// Long strings of bytes as rows (index integer, bytes bytea) of a table, written and read by COPY in Postgres' binary
// format: https://www.postgresql.org/docs/current/sql-copy.html and protocol-flow.html, "COPY Operations".
import type pg from 'pg';

/** With its header such a row fills a page of 8 kB. What is stored counts on it: it stays as it is. */
export const rowBytes = 8_128;

/** A message to Postgres of about 256 kB: fewer of them than of rows, and small enough for a processor's cache. */
const rowsPerMessage = 32;
const messageHeadBytes = 5;
const rowHeadBytes = 14;
const copyHead = Buffer.from('PGCOPY\n\u00ff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const copyTail = Buffer.from([0xff, 0xff]);

/** What pg calls of a query's object, besides `submit`, while a COPY is under way. */
interface CopyQuery extends pg.Submittable {
  handleCopyInResponse?(connection: CopyConnection): void;
  handleCopyData?(message: { readonly chunk: Buffer }): void;
  handleCommandComplete(): void;
  handleError(error: Error): void;
  handleReadyForQuery(): void;
}

interface CopyConnection extends pg.Connection {
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
}

/** `onBytes` sees all the bytes once, in order, piece by piece, while they are on their way. */
export function writeRows(
  client: pg.ClientBase,
  table: string,
  bytes: Uint8Array,
  onBytes: (piece: Uint8Array) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let over = false;
    const send = async (connection: CopyConnection): Promise<void> => {
      for (const message of messagesOf(bytes, onBytes)) {
        const failure = await new Promise((sent) => connection.stream.write(message, sent));
        // Of a connection that broke pg tells by itself.
        if (over || failure) return;
      }
      connection.endCopyFrom();
    };
    const query: CopyQuery = {
      submit: (connection) => connection.query(`COPY ${table} FROM STDIN (FORMAT binary, FREEZE)`),
      handleCopyInResponse: (connection) => {
        send(connection).catch((error: unknown) => connection.sendCopyFail(String(error)));
      },
      handleCommandComplete: () => undefined,
      handleError: (error) => {
        over = true;
        reject(error);
      },
      handleReadyForQuery: () => resolve(),
    };
    client.query(query);
  });
}

/**
 * In the order of their index, whatever order they come in. False: they are not those that `writeRows` made of so many
 * bytes.
 */
export function readRows(client: pg.ClientBase, table: string, into: Uint8Array): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let found = 0;
    let begun = false;
    const query: CopyQuery = {
      submit: (connection) => connection.query(`COPY ${table} TO STDOUT (FORMAT binary)`),
      handleCopyData: ({ chunk }) => {
        // Postgres sends a message for each row, the head along with the first.
        let at = begun ? 0 : copyHead.length;
        begun = true;
        while (at + rowHeadBytes <= chunk.length) {
          const start = chunk.readInt32BE(at + 6) * rowBytes;
          const end = at + rowHeadBytes + chunk.readInt32BE(at + 10);
          const row = chunk.subarray(at + rowHeadBytes, end);
          if (start >= 0 && start + row.length <= into.length) into.set(row, start);
          found += row.length;
          at = end;
        }
      },
      handleCommandComplete: () => undefined,
      handleError: reject,
      handleReadyForQuery: () => resolve(found === into.length),
    };
    client.query(query);
  });
}

/** Messages of the protocol (CopyData), all in the same memory: one is to be sent before the next is asked for. */
function* messagesOf(bytes: Uint8Array, onBytes: (piece: Uint8Array) => void): Generator<Uint8Array> {
  const rows = Math.ceil(bytes.length / rowBytes);
  const message = Buffer.allocUnsafe(
    messageHeadBytes + copyHead.length + rowsPerMessage * (rowHeadBytes + rowBytes) + copyTail.length,
  );
  message[0] = 'd'.charCodeAt(0);
  for (let first = 0; first < rows; first += rowsPerMessage) {
    const next = Math.min(first + rowsPerMessage, rows);
    let at = messageHeadBytes;
    if (first === 0) at += copyHead.copy(message, at);
    for (let index = first; index < next; index++) {
      at = writeRow(message, at, index, bytes.subarray(index * rowBytes, (index + 1) * rowBytes));
    }
    if (next === rows) at += copyTail.copy(message, at);
    onBytes(bytes.subarray(first * rowBytes, next * rowBytes));
    message.writeInt32BE(at - 1, 1);
    yield message.subarray(0, at);
  }
}

/** The number of fields; of each its length and its value. Answers with where the row ends. */
function writeRow(message: Buffer, at: number, index: number, row: Uint8Array): number {
  message.writeInt16BE(2, at);
  message.writeInt32BE(Int32Array.BYTES_PER_ELEMENT, at + 2);
  message.writeInt32BE(index, at + 6);
  message.writeInt32BE(row.length, at + 10);
  message.set(row, at + rowHeadBytes);
  return at + rowHeadBytes + row.length;
}
