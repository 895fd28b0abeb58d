-- A run keeps several training states: the newest, the one before it, and those that its spec asks for.
ALTER TYPE "CheckpointRole" RENAME VALUE 'latest' TO 'state';
ALTER TYPE "CheckpointRole" RENAME VALUE 'best' TO 'model';
ALTER TABLE "Checkpoint" ADD COLUMN "stepsWithin" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "Checkpoint" DROP CONSTRAINT "Checkpoint_pkey";
ALTER TABLE "Checkpoint" ADD CONSTRAINT "Checkpoint_pkey" PRIMARY KEY ("runId", "role", "epoch", "stepsWithin");
ALTER TABLE "Checkpoint" ALTER COLUMN "stepsWithin" DROP DEFAULT;
