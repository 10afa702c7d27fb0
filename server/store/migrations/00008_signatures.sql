-- +goose Up
-- Tags and words that are neither frequent nor rare were dear: whether all their rows are fetched and sorted or the list is
-- walked in its order until a page is full, thousands of rows are read. The index of the list gets a signature of each
-- row's tags and one of its words (a Bloom filter: each term sets some bits), so that a walk reads the table only where the
-- bits of what is looked for are set. A row whose bits are set by other terms is read and found not to match.

-- signature64 sets 3 of 64 bits for each term, the most for the five to fifteen that the tags of a row make.
-- +goose StatementBegin
CREATE FUNCTION signature64(terms text[]) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  bits bigint := 0;
  hash bigint;
  term text;
BEGIN
  FOREACH term IN ARRAY terms LOOP
    hash := hashtextextended(term, 0);
    bits := bits | (1::bigint << (hash & 63)::int) | (1::bigint << (hash >> 6 & 63)::int) | (1::bigint << (hash >> 12 & 63)::int);
  END LOOP;
  RETURN bits;
END $$;
-- +goose StatementEnd

-- signature128 sets 2 bits in each half, for the ten to forty different words of a name and a description.
-- +goose StatementBegin
CREATE FUNCTION signature128(terms text[]) RETURNS bit(128) LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  high bigint := 0;
  low  bigint := 0;
  hash bigint;
  term text;
BEGIN
  FOREACH term IN ARRAY terms LOOP
    hash := hashtextextended(term, 0);
    high := high | (1::bigint << (hash & 63)::int) | (1::bigint << (hash >> 6 & 63)::int);
    low := low | (1::bigint << (hash >> 12 & 63)::int) | (1::bigint << (hash >> 18 & 63)::int);
  END LOOP;
  RETURN high::bit(64) || low::bit(64);
END $$;
-- +goose StatementEnd

-- required_words lists the words that whatever matches has. Of a query with "or" or "not" it lists none. As text, a query
-- has each word in quotes, with those within a word doubled, as backslashes are.
-- +goose StatementBegin
CREATE FUNCTION required_words(query tsquery) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT CASE WHEN regexp_replace(query::text, '''(''''|[^''])*''', '', 'g') ~ '[|!:]' THEN '{}'
              ELSE coalesce((SELECT array_agg(replace(replace(word[1], '''''', ''''), '\\', '\'))
                               FROM regexp_matches(query::text, '''((?:''''|[^''])*)''', 'g') AS found (word)), '{}') END
$$;
-- +goose StatementEnd

-- A generated column cannot be made from another one, and making the terms twice would cost a write 20 us. So a trigger
-- makes them, and the signatures are generated from what it made.
ALTER TABLE resources
  ALTER COLUMN search DROP EXPRESSION,
  ALTER COLUMN tag_terms DROP EXPRESSION;
-- This writes the table anew, and nobody reads it meanwhile. Until it has been vacuumed afterwards, which autovacuum may
-- put off, a walk reads the table as before.
ALTER TABLE resources
  ADD COLUMN tag_signature  bigint   GENERATED ALWAYS AS (signature64(tag_terms)) STORED,
  ADD COLUMN word_signature bit(128) GENERATED ALWAYS AS (signature128(tsvector_to_array(search))) STORED;

-- +goose StatementBegin
CREATE FUNCTION resources_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.tag_terms := tag_terms(NEW.tags);
  NEW.search := to_tsvector('english', NEW.name || ' ' || coalesce(NEW.properties->>'description', ''));
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER resources_terms BEFORE INSERT OR UPDATE OF name, properties, tags, search, tag_terms ON resources
  FOR EACH ROW EXECUTE FUNCTION resources_terms();

DROP INDEX idx_resources_tenant_keyset;
CREATE INDEX idx_resources_tenant_keyset ON resources (tenant_id, updated_at DESC, id DESC)
  INCLUDE (tag_signature, word_signature) WHERE deleted_at IS NULL;

-- +goose Down
DROP TRIGGER resources_terms ON resources;
DROP FUNCTION resources_terms;
ALTER TABLE resources  -- their indexes go with them
  DROP COLUMN tag_signature,
  DROP COLUMN word_signature,
  DROP COLUMN tag_terms,
  DROP COLUMN search;
ALTER TABLE resources
  ADD COLUMN search tsvector GENERATED ALWAYS AS
    (to_tsvector('english', name || ' ' || coalesce(properties->>'description', ''))) STORED,
  ADD COLUMN tag_terms text[] GENERATED ALWAYS AS (tag_terms(tags)) STORED;
ALTER TABLE resources ALTER COLUMN tag_terms SET STATISTICS 300;
CREATE INDEX idx_resources_tenant_keyset ON resources (tenant_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX idx_resources_tags_gin ON resources USING gin (tenant_id, tag_terms) WHERE deleted_at IS NULL;
CREATE INDEX idx_resources_fulltext ON resources USING gin (tenant_id, search) WHERE deleted_at IS NULL;
DROP FUNCTION required_words;
DROP FUNCTION signature128;
DROP FUNCTION signature64;
