-- AlterTable: runs from before are taken for small, as they were.
ALTER TABLE "Run" ADD COLUMN "memoryBytes" BIGINT NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "Worker" (
    "id" TEXT NOT NULL,
    "hostname" TEXT NOT NULL,
    "engineVersion" TEXT NOT NULL,
    "backend" "EngineBackend" NOT NULL,
    "slots" INTEGER NOT NULL,
    "memoryBytes" BIGINT NOT NULL,
    "startedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastSeenAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Worker_pkey" PRIMARY KEY ("id")
);

-- DropIndex
DROP INDEX "Run_status_createdAt_idx";

-- CreateIndex
CREATE INDEX "Run_status_createdAt_memoryBytes_idx" ON "Run"("status", "createdAt", "memoryBytes");

-- CreateIndex
CREATE INDEX "Run_status_memoryBytes_createdAt_idx" ON "Run"("status", "memoryBytes", "createdAt");
