-- Every run gets a receipt: the hash of its recipe, and a chain of hashes over the weights of its epochs.
ALTER TABLE "Run" ADD COLUMN "recipeSha256" TEXT, ADD COLUMN "chainSha256" TEXT;
ALTER TABLE "Epoch" ADD COLUMN "chainSha256" TEXT;

-- A number as JSON.stringify writes it: the shortest digits that say which one it is, with an exponent where
-- JavaScript has one.
CREATE FUNCTION "trainyard_json_number"(value numeric) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  shortest text := abs(value::float8)::text;
  mantissa text := split_part(shortest, 'e', 1);
  digits text := replace(mantissa, '.', '');
  -- How many of the digits stand before the point.
  point int := length(split_part(mantissa, '.', 1)) + COALESCE(NULLIF(split_part(shortest, 'e', 2), '')::int, 0);
  sign text := CASE WHEN value < 0 THEN '-' ELSE '' END;
BEGIN
  point := point - (length(digits) - length(ltrim(digits, '0')));
  digits := trim(both '0' from digits);
  IF digits = '' THEN
    RETURN '0';
  ELSIF point BETWEEN length(digits) AND 21 THEN
    RETURN sign || rpad(digits, point, '0');
  ELSIF point BETWEEN 1 AND 21 THEN
    RETURN sign || left(digits, point) || '.' || substr(digits, point + 1);
  ELSIF point BETWEEN -5 AND 0 THEN
    RETURN sign || '0.' || repeat('0', -point) || digits;
  END IF;
  RETURN sign || left(digits, 1) || CASE WHEN length(digits) > 1 THEN '.' || substr(digits, 2) ELSE '' END
    || 'e' || CASE WHEN point > 0 THEN '+' ELSE '-' END || abs(point - 1);
END $$;

-- The JSON of src/engine/canonical-json.ts. Every key of a spec is plain ASCII.
CREATE FUNCTION "trainyard_canonical_json"(value jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN CASE jsonb_typeof(value)
    WHEN 'object' THEN '{' || COALESCE((
      SELECT string_agg(to_jsonb(member.key)::text || ':' || "trainyard_canonical_json"(member.value), ','
        ORDER BY member.key COLLATE "C")
      FROM jsonb_each(value) AS member(key, value)), '') || '}'
    WHEN 'array' THEN '[' || COALESCE((
      SELECT string_agg("trainyard_canonical_json"(element.value), ',' ORDER BY element.position)
      FROM jsonb_array_elements(value) WITH ORDINALITY AS element(value, position)), '') || ']'
    WHEN 'number' THEN "trainyard_json_number"(value::text::numeric)
    ELSE value::text
  END;
END $$;

UPDATE "Run" AS run SET "recipeSha256" = encode(sha256(convert_to("trainyard_canonical_json"(
  jsonb_set(run."spec", '{data,dataset}', to_jsonb(dataset."contentSha256"))), 'UTF8')), 'hex')
FROM "Dataset" AS dataset WHERE dataset."id" = run."datasetId";

DO $$
DECLARE
  stored record;
  run uuid;
  chain text;
BEGIN
  FOR stored IN
    SELECT epoch."runId", epoch."epoch", epoch."weightsSha256", run."recipeSha256"
    FROM "Epoch" AS epoch JOIN "Run" AS run ON run."id" = epoch."runId" ORDER BY epoch."runId", epoch."epoch"
  LOOP
    IF run IS DISTINCT FROM stored."runId" THEN
      run := stored."runId";
      chain := stored."recipeSha256";
    END IF;
    chain := encode(sha256(convert_to(chain || ' ' || stored."epoch" || ' ' || stored."weightsSha256", 'UTF8')), 'hex');
    UPDATE "Epoch" SET "chainSha256" = chain WHERE "runId" = run AND "epoch" = stored."epoch";
  END LOOP;
END $$;

UPDATE "Run" AS run SET "chainSha256" = COALESCE((
  SELECT "chainSha256" FROM "Epoch" WHERE "runId" = run."id" ORDER BY "epoch" DESC LIMIT 1), run."recipeSha256");

DROP FUNCTION "trainyard_canonical_json"(jsonb);
DROP FUNCTION "trainyard_json_number"(numeric);

ALTER TABLE "Run" ALTER COLUMN "recipeSha256" SET NOT NULL, ALTER COLUMN "chainSha256" SET NOT NULL;
ALTER TABLE "Epoch" ALTER COLUMN "chainSha256" SET NOT NULL;
