-- CreateEnum
CREATE TYPE "EngineBackend" AS ENUM ('native', 'wasm', 'interpreter');

-- CreateTable
CREATE TABLE "RunAttempt" (
    "runId" UUID NOT NULL,
    "fence" INTEGER NOT NULL,
    "workerId" TEXT NOT NULL,
    "backend" "EngineBackend" NOT NULL,
    "isa" TEXT,
    "engineVersion" TEXT NOT NULL,
    "fromEpoch" INTEGER NOT NULL,
    "startedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "RunAttempt_pkey" PRIMARY KEY ("runId","fence")
);

-- AddForeignKey
ALTER TABLE "RunAttempt" ADD CONSTRAINT "RunAttempt_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run"("id") ON DELETE CASCADE ON UPDATE CASCADE;
