-- An epoch is stored once: its row is its event, too. Until now each had a row in "RunEvent" as well, written in the
-- same transaction.
ALTER TABLE "Epoch" ADD COLUMN "sequence" INTEGER, ADD COLUMN "etaSeconds" DOUBLE PRECISION;

UPDATE "Epoch" AS epoch SET
  "sequence" = event."sequence", "etaSeconds" = (event."data"->>'etaSeconds')::float8, "createdAt" = event."createdAt"
FROM "RunEvent" AS event
WHERE event."runId" = epoch."runId" AND event."type" = 'epoch' AND (event."data"->>'epoch')::int = epoch."epoch";

DELETE FROM "RunEvent" WHERE "type" = 'epoch';

ALTER TABLE "Epoch" ALTER COLUMN "sequence" SET NOT NULL;

-- No foreign key: epochs are written only by a statement that holds the lock of the run's row, and the check of every
-- single one cost as much as writing it. They go with their run, however that is deleted.
ALTER TABLE "Epoch" DROP CONSTRAINT "Epoch_runId_fkey";

CREATE FUNCTION "trainyard_delete_epochs"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM "Epoch" USING "deleted" WHERE "Epoch"."runId" = "deleted"."id";
  RETURN NULL;
END $$;

CREATE TRIGGER "Run_delete_epochs" AFTER DELETE ON "Run" REFERENCING OLD TABLE AS "deleted"
  FOR EACH STATEMENT EXECUTE FUNCTION "trainyard_delete_epochs"();
