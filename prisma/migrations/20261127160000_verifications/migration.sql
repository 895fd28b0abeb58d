-- CreateEnum
CREATE TYPE "VerificationStatus" AS ENUM ('queued', 'running', 'done', 'failed');

-- CreateEnum
CREATE TYPE "VerificationVerdict" AS ENUM ('equal', 'differs');

-- CreateTable
CREATE TABLE "Verification" (
    "id" UUID NOT NULL,
    "runId" UUID NOT NULL,
    "fromEpoch" INTEGER NOT NULL,
    "toEpoch" INTEGER NOT NULL,
    "status" "VerificationStatus" NOT NULL DEFAULT 'queued',
    "verdict" "VerificationVerdict",
    "firstDifferentEpoch" INTEGER,
    "detail" TEXT,
    "replayedFrom" INTEGER,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "fence" INTEGER NOT NULL DEFAULT 0,
    "workerId" TEXT,
    "leaseExpiresAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "startedAt" TIMESTAMPTZ(3),
    "finishedAt" TIMESTAMPTZ(3),

    CONSTRAINT "Verification_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "Verification_runId_idx" ON "Verification"("runId");

-- CreateIndex
CREATE INDEX "Verification_status_createdAt_idx" ON "Verification"("status", "createdAt");

-- AddForeignKey
ALTER TABLE "Verification" ADD CONSTRAINT "Verification_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run"("id") ON DELETE CASCADE ON UPDATE CASCADE;
