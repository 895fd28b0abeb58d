// The entry of a crew's thread: engine only, and never back in its event loop.
import { MessagePort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { serveCrew } from './crew-loop.ts';
import { seats } from './seats.ts';

const place = z.object({
  buffer: z.instanceof(SharedArrayBuffer),
  port: z.instanceof(MessagePort),
  thread: z.int(),
  threads: z.int(),
});

serveCrew(place.parse(workerData), seats);
