-- +goose Up
-- The planner tries a condition on jsonb on a few hundred values: for two tags together that guess was at times five
-- times too high, and it walked the whole list where an index would have found some hundred rows. Of an array it counts
-- every element in the whole sample (most_common_elems), so that it knows how frequent each tag is, and rare ones too.

-- tag_terms lists what a filter by tags may ask for: ":key" for each tag, and "<bytes of the key>:<key><value>" for each
-- whose value is a string. The length keeps "a" = "bc" apart from "ab" = "c". GIN takes no entry beyond 2,700 bytes:
-- of a term longer than 256 bytes there is "#" and its SHA-256. tagTerms in filter.go writes the same.
-- +goose StatementBegin
CREATE FUNCTION tag_terms(tags jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT coalesce(array_agg(CASE WHEN octet_length(term) <= 256 THEN term
                                 ELSE '#' || encode(sha256(convert_to(term, 'UTF8')), 'hex') END), '{}')
    FROM jsonb_each(tags) AS tag (key, value),
         LATERAL (VALUES (':' || key),
                         (CASE jsonb_typeof(value) WHEN 'string' THEN octet_length(key) || ':' || key || (value #>> '{}') END)
                 ) AS terms (term)
   WHERE term IS NOT NULL
$$;
-- +goose StatementEnd

-- This writes the table anew, and nobody reads it meanwhile.
DROP INDEX idx_resources_tags_gin;
ALTER TABLE resources
  ADD COLUMN tag_terms text[] GENERATED ALWAYS AS (tag_terms(tags)) STORED,
  ALTER COLUMN tags SET STATISTICS -1;
-- A sample of 90,000 rows: a tag of one row in a thousand is in it some 90 times.
ALTER TABLE resources ALTER COLUMN tag_terms SET STATISTICS 300;
CREATE INDEX idx_resources_tags_gin ON resources USING gin (tenant_id, tag_terms) WHERE deleted_at IS NULL;
-- Writing a table anew changes no row, so that autovacuum would not look at the new column. (Of an empty table the planner
-- would believe afterwards that it stays empty.)
-- +goose StatementBegin
DO $$ BEGIN IF EXISTS (SELECT FROM resources) THEN ANALYZE resources (tag_terms); END IF; END $$;
-- +goose StatementEnd

-- +goose Down
DROP INDEX idx_resources_tags_gin;
ALTER TABLE resources DROP COLUMN tag_terms;
DROP FUNCTION tag_terms;
ALTER TABLE resources ALTER COLUMN tags SET STATISTICS 300;
CREATE INDEX idx_resources_tags_gin ON resources USING gin (tenant_id, tags) WHERE deleted_at IS NULL;
