// What the database itself notes down about every run while it is disturbed, by triggers in a schema of their own:
// each change of a run's state, and who wrote which epoch and checkpoint under which fence. A connection is told by
// its application name.

export const auditSql = `
  CREATE SCHEMA chaos;
  CREATE TABLE chaos.change (
    id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), run uuid NOT NULL,
    writer text NOT NULL DEFAULT current_setting('application_name'),
    "oldStatus" text, "newStatus" text, "oldFence" int, "newFence" int, "oldEpoch" int, "newEpoch" int);
  CREATE TABLE chaos.write (
    id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), run uuid NOT NULL,
    writer text NOT NULL DEFAULT current_setting('application_name'),
    kind text NOT NULL, epoch int NOT NULL, fence int NOT NULL, whole boolean NOT NULL);
  CREATE INDEX ON chaos.change (run);
  CREATE INDEX ON chaos.write (run);
  -- While it is closed, whoever stores an epoch waits for the lock inside the transaction.
  CREATE TABLE chaos.gate (closed boolean NOT NULL);
  INSERT INTO chaos.gate VALUES (false);

  CREATE FUNCTION chaos.note_change() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO chaos.change (run, "oldStatus", "newStatus", "oldFence", "newFence", "oldEpoch", "newEpoch")
    VALUES (NEW.id, OLD.status, NEW.status, OLD.fence, NEW.fence, OLD.epoch, NEW.epoch);
    RETURN NULL;
  END $$;
  CREATE TRIGGER chaos_change AFTER UPDATE ON "Run" FOR EACH ROW
    WHEN (OLD.status <> NEW.status OR OLD.fence <> NEW.fence OR OLD.epoch <> NEW.epoch)
    EXECUTE FUNCTION chaos.note_change();

  CREATE FUNCTION chaos.note_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO chaos.write (run, kind, epoch, fence, whole)
    SELECT NEW."runId", 'epoch', NEW.epoch, fence, true FROM "Run" WHERE id = NEW."runId";
    IF (SELECT closed FROM chaos.gate) THEN
      PERFORM pg_advisory_xact_lock(0);
    END IF;
    RETURN NULL;
  END $$;
  CREATE TRIGGER chaos_epoch AFTER INSERT ON "Epoch" FOR EACH ROW EXECUTE FUNCTION chaos.note_epoch();

  CREATE FUNCTION chaos.note_checkpoint() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    stored bytea := NEW.bytes;
  BEGIN
    IF NEW."partsId" IS NOT NULL THEN
      EXECUTE format('SELECT string_agg(bytes, '''' ORDER BY index) FROM %I', 'CheckpointPart_' || NEW."partsId"::text)
        INTO stored;
    END IF;
    INSERT INTO chaos.write (run, kind, epoch, fence, whole)
    SELECT NEW."runId", 'checkpoint', NEW.epoch, fence, octet_length(stored) = NEW."byteLength"
      AND lpad(to_hex(crc32(stored)), 8, '0') = NEW.crc32
      AND encode(sha256(stored), 'hex') = COALESCE(NEW.sha256, encode(sha256(stored), 'hex'))
    FROM "Run" WHERE id = NEW."runId";
    RETURN NULL;
  END $$;
  CREATE TRIGGER chaos_checkpoint AFTER INSERT OR UPDATE ON "Checkpoint" FOR EACH ROW
    WHEN (current_setting('application_name') <> 'chaos')
    EXECUTE FUNCTION chaos.note_checkpoint();`;
