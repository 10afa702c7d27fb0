-- +goose Up
-- The tables are empty in these migrations, so plain CREATE INDEX inside one transaction is right. An index added later
-- to a table that has rows belongs in a migration of its own, CONCURRENTLY and marked NO TRANSACTION; check indisvalid
-- afterwards, because IF NOT EXISTS keeps an index whose building failed.

-- tenant_id as the first key of a GIN index
CREATE EXTENSION IF NOT EXISTS btree_gin;

-- Statistics of statements, where the server has them and lets this user have them. Nothing here needs them.
-- +goose StatementBegin
DO $$ BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
  RAISE NOTICE 'no pg_stat_statements: %', SQLERRM;
END $$;
-- +goose StatementEnd

CREATE TABLE resources (
  id                  uuid        PRIMARY KEY,
  tenant_id           uuid        NOT NULL,
  azure_resource_id   text        NOT NULL,
  subscription_id     text        NOT NULL,
  resource_group_name text        NOT NULL,
  name                text        NOT NULL,
  type                text        NOT NULL,
  location            text        NOT NULL,
  properties          jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(properties) = 'object'),
  tags                jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(tags) = 'object'),
  -- the worst of the latest evaluations, kept by policy_evaluations_apply()
  compliance_status   text        NOT NULL DEFAULT 'unknown'
                      CHECK (compliance_status IN ('unknown', 'compliant', 'non_compliant', 'exempt')),
  version             integer     NOT NULL DEFAULT 1,  -- raised by every change that a client asks for
  created_at          timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now(),
  deleted_at          timestamptz,
  -- The seed's full-text expression, computed once a change: a list that walks in order would have to compute it for
  -- every row that it looks at (20 us each), and a column has statistics from which the planner knows rare words.
  search              tsvector    GENERATED ALWAYS AS
                      (to_tsvector('english', name || ' ' || coalesce(properties->>'description', ''))) STORED
);

-- What a batch insert conflicts on.
CREATE UNIQUE INDEX uq_resources_azure ON resources (tenant_id, azure_resource_id) WHERE deleted_at IS NULL;

-- A list is ordered by (updated_at DESC, id DESC): equality columns first, then those two in that direction, gives the
-- page without a sort. deleted_at is in the predicate; as a key column it would break the order.
CREATE INDEX idx_resources_tenant_keyset
  ON resources (tenant_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
-- "Covering" in the seed, which INCLUDEs columns: the list returns properties and tags, so no index could cover it.
CREATE INDEX idx_resources_subscription_covering
  ON resources (tenant_id, subscription_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX idx_resources_multi_filter
  ON resources (tenant_id, subscription_id, type, location, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
-- "Updated in the last 30 days" is a range on the column that follows the equality ones.
CREATE INDEX idx_resources_hot_queries
  ON resources (tenant_id, type, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX idx_compliance_current_status
  ON resources (tenant_id, compliance_status, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
-- A filter without an index of its own would have to walk the whole tenant to find out that nothing matches.
CREATE INDEX idx_resources_location
  ON resources (tenant_id, location, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX idx_resources_group
  ON resources (tenant_id, resource_group_name, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
-- The other order of a list. COLLATE "C" compares bytes: the order does not depend on the machine's locale.
CREATE INDEX idx_resources_name
  ON resources (tenant_id, name COLLATE "C", id) WHERE deleted_at IS NULL;

-- The planner tries a tag on a sample of twice so many values: 0.2 % is as rare as it can tell. A larger sample would
-- cost every list by tag more (2,000 values took a millisecond). Frequent tags are found by walking a list in its order,
-- rare ones by the index that follows.
ALTER TABLE resources ALTER COLUMN tags SET STATISTICS 300;
-- jsonb_ops, not jsonb_path_ops: only the former serves "has this key" beside containment.
CREATE INDEX idx_resources_tags_gin ON resources USING gin (tenant_id, tags) WHERE deleted_at IS NULL;

-- +goose StatementBegin
CREATE FUNCTION jsonb_key_count(j jsonb) RETURNS integer
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT count(*)::integer FROM jsonb_object_keys(j) $$;
-- +goose StatementEnd
CREATE INDEX idx_resources_tag_count
  ON resources (tenant_id, jsonb_key_count(tags), updated_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE INDEX idx_resources_fulltext ON resources USING gin (tenant_id, search) WHERE deleted_at IS NULL;

-- +goose Down
DROP TABLE resources;
DROP FUNCTION jsonb_key_count;
