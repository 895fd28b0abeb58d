-- Large checkpoints lie in tables of their own, named by "partsId"; small ones stay in their rows. A CRC-32 guards the
-- bytes; the SHA-256 is a model's, or from before.
ALTER TABLE "Checkpoint"
  ALTER COLUMN "bytes" DROP NOT NULL,
  ALTER COLUMN "sha256" DROP NOT NULL,
  ALTER COLUMN "byteLength" TYPE BIGINT,
  ADD COLUMN "crc32" TEXT,
  ADD COLUMN "partsId" UUID;

-- CreateIndex
CREATE UNIQUE INDEX "Checkpoint_partsId_key" ON "Checkpoint"("partsId");

-- CreateTable
CREATE TABLE "CheckpointPart" (
    "index" INTEGER NOT NULL,
    "bytes" BYTEA NOT NULL,

    CONSTRAINT "CheckpointPart_pkey" PRIMARY KEY ("index")
);

-- A part fills a page: it is neither compressed nor moved elsewhere.
ALTER TABLE "CheckpointPart" ALTER COLUMN "bytes" SET STORAGE PLAIN;
