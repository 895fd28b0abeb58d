// Every experiment, in the order of the table of faults.
import type { Experiment } from '../experiment.ts';
import { workerKilled } from './f01-worker-killed.ts';
import { checkpointBoundaries } from './f02-checkpoint-boundaries.ts';
import { threadDies } from './f03-thread-dies.ts';
import { workerFrozen } from './f04-worker-frozen.ts';
import { redisRestarted } from './f05-redis-restarted.ts';
import { redisEmptied } from './f06-redis-emptied.ts';
import { redisAway } from './f07-redis-away.ts';
import { redisFull } from './f08-redis-full.ts';
import { redisSilent } from './f09-redis-silent.ts';
import { postgresSilent } from './f10-postgres-silent.ts';
import { repliesLost } from './f11-replies-lost.ts';
import { postgresStopped } from './f12-postgres-stopped.ts';
import { backendKilled } from './f13-backend-killed.ts';
import { apiKilledAfterCommit } from './f14-api-killed-after-commit.ts';
import { apiKilledBeforeCommit } from './f15-api-killed-before-commit.ts';
import { sameKey } from './f16-same-key.ts';
import { sameTicket } from './f17-same-ticket.ts';
import { diskFull } from './f18-disk-full.ts';
import { checkpointDamaged } from './f20-checkpoint-damaged.ts';
import { clockWrong } from './f22-clock-wrong.ts';
import { cancelRaces } from './f24-cancel-races.ts';
import { rollingDeploy } from './f25-rolling-deploy.ts';
import { reconcilerFrozen } from './f26-reconciler-frozen.ts';

export const experiments: readonly Experiment[] = [
  workerKilled,
  checkpointBoundaries,
  threadDies,
  workerFrozen,
  redisRestarted,
  redisEmptied,
  redisAway,
  redisFull,
  redisSilent,
  postgresSilent,
  repliesLost,
  postgresStopped,
  backendKilled,
  apiKilledAfterCommit,
  apiKilledBeforeCommit,
  sameKey,
  sameTicket,
  diskFull,
  checkpointDamaged,
  clockWrong,
  cancelRaces,
  rollingDeploy,
  reconcilerFrozen,
];

export const experimentIds: readonly string[] = experiments.map(({ id }) => id);
