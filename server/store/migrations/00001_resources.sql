-- +goose Up
-- The table is empty here, so plain CREATE INDEX inside one transaction is right. An index added later to a table that
-- has rows belongs in a migration of its own, CONCURRENTLY and marked NO TRANSACTION.

-- tenant_id as the first key of a GIN index
CREATE EXTENSION IF NOT EXISTS btree_gin;

CREATE TABLE resources (
  id                  uuid        PRIMARY KEY,
  tenant_id           uuid        NOT NULL,
  azure_resource_id   text        NOT NULL,
  subscription_id     text        NOT NULL,
  resource_group_name text        NOT NULL,
  name                text        NOT NULL,
  type                text        NOT NULL,
  location            text        NOT NULL,
  properties          jsonb       NOT NULL DEFAULT '{}',
  tags                jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(tags) = 'object'),
  compliance_status   text        NOT NULL DEFAULT 'unknown'
                      CHECK (compliance_status IN ('unknown', 'compliant', 'non_compliant', 'exempt')),
  created_at          timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now(),
  deleted_at          timestamptz
);

-- What a batch insert conflicts on.
CREATE UNIQUE INDEX uq_resources_azure ON resources (tenant_id, azure_resource_id) WHERE deleted_at IS NULL;

-- The list is ordered by (updated_at DESC, id DESC): equality columns first, then those two in that direction, gives the
-- page without a sort. deleted_at is in the predicate; as a key column it would break the order. Nothing is INCLUDEd:
-- a list returns properties and tags, so no index could cover it.
CREATE INDEX idx_resources_keyset
  ON resources (tenant_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX idx_resources_subscription
  ON resources (tenant_id, subscription_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX idx_resources_multi_filter
  ON resources (tenant_id, subscription_id, type, location, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX idx_resources_type
  ON resources (tenant_id, type, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX idx_resources_compliance
  ON resources (tenant_id, compliance_status, updated_at DESC, id DESC) WHERE deleted_at IS NULL;

-- jsonb_ops, not jsonb_path_ops: only the former serves "has this key" beside containment.
CREATE INDEX idx_resources_tags ON resources USING gin (tenant_id, tags) WHERE deleted_at IS NULL;

-- +goose Down
DROP TABLE resources;
