-- Weights do not compress, and Postgres would try for a tenth of a second a checkpoint, beside the training.
ALTER TABLE "Checkpoint" ALTER COLUMN "bytes" SET STORAGE EXTERNAL;
