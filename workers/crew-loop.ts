// A crew's thread at work: waits at the doorbell, does what it rings for, answers. It ends with the thread.
import { createHash } from 'node:crypto';
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { z } from 'zod';
import type { Member, TakeSeat } from '../src/engine/crew.ts';
import { crewCommand, crewMemory, crewPrograms, crewWords, waitForChange } from './crew-protocol.ts';

const seatMessage = z.looseObject({ backend: z.string() });

export interface CrewPlace {
  readonly buffer: SharedArrayBuffer;
  readonly port: MessagePort;
  readonly thread: number;
  readonly threads: number;
}

/** Never returns. */
export function serveCrew(at: CrewPlace, seats: Readonly<Record<string, TakeSeat>>): never {
  const { port, thread, threads } = at;
  const { words, call } = crewMemory(at.buffer, threads);
  let member: Member | null = null;

  const takeSeat = (): Member => {
    const seat = seatMessage.parse(receiveMessageOnPort(port)?.message);
    const take = Object.hasOwn(seats, seat.backend) ? seats[seat.backend] : undefined;
    if (take === undefined) throw new Error(`no seats of the back end ${seat.backend}`);
    return take(seat, { thread });
  };
  const runProgram = (): void => {
    const program = crewPrograms[words[crewWords.program] ?? -1];
    if (member === null || program === undefined) throw new Error('there is no seat, or no such program');
    const active = words[crewWords.active] ?? 1;
    if (thread < active) member.run(program, [...call.subarray(0, words[crewWords.argumentCount])], active);
  };
  /** The first of the helpers alone. */
  const hashValues = (): void => {
    if (thread !== 1) return;
    const values = z.instanceof(Float32Array).parse(receiveMessageOnPort(port)?.message);
    const hash = createHash('sha256');
    let hashed = 0;
    while (hashed < values.length) {
      waitForChange(words, crewWords.filled, hashed, Number.POSITIVE_INFINITY);
      const filled = Atomics.load(words, crewWords.filled);
      if (filled < 0) return;
      hash.update(values.subarray(hashed, filled));
      hashed = filled;
    }
    port.postMessage(hash.digest('hex'));
  };
  const obey = (command: number | undefined): void => {
    if (command === crewCommand.attach) member = takeSeat();
    else if (command === crewCommand.run) runProgram();
    else if (command === crewCommand.hash) hashValues();
    else member = null;
  };

  let done = 0;
  for (;;) {
    waitForChange(words, crewWords.door, done, Number.POSITIVE_INFINITY);
    const rung = Atomics.load(words, crewWords.door);
    if (rung === done) continue;
    done = rung;
    let failed = 0;
    try {
      obey(words[crewWords.command]);
    } catch (error) {
      failed = 1;
      port.postMessage(error instanceof Error ? error : new Error(String(error)));
    }
    Atomics.store(words, crewWords.failed(thread), failed);
    Atomics.store(words, crewWords.answer(thread), done);
    Atomics.notify(words, crewWords.answer(thread));
  }
}
