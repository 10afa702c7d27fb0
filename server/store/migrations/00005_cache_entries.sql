-- +goose Up
-- A number for each tenant that every committed change of its data raises. What was computed from a tenant's data is
-- valid as long as the version that was read before the data is still the tenant's. The row is locked from the change
-- to the end of its transaction, so the changes of one tenant take turns; a change should be one statement.
CREATE TABLE tenant_versions (
  tenant_id uuid   PRIMARY KEY,
  version   bigint NOT NULL
) WITH (fillfactor = 50);

-- +goose StatementBegin
CREATE FUNCTION raise_tenant_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tenant_versions AS v (tenant_id, version)
  SELECT DISTINCT tenant_id, 1 FROM changed ORDER BY tenant_id
  ON CONFLICT (tenant_id) DO UPDATE SET version = v.version + 1;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER raise_version_insert AFTER INSERT ON resources
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION raise_tenant_version();
CREATE TRIGGER raise_version_update AFTER UPDATE ON resources
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION raise_tenant_version();
CREATE TRIGGER raise_version_delete AFTER DELETE ON resources
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION raise_tenant_version();
CREATE TRIGGER raise_version_insert AFTER INSERT ON policies
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION raise_tenant_version();
CREATE TRIGGER raise_version_update AFTER UPDATE ON policies
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION raise_tenant_version();
CREATE TRIGGER raise_version_insert AFTER INSERT ON policy_evaluations
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION raise_tenant_version();
CREATE TRIGGER raise_version_insert AFTER INSERT ON cost_data
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION raise_tenant_version();
CREATE TRIGGER raise_version_update AFTER UPDATE ON cost_data
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION raise_tenant_version();

-- The cache's third level, read from the replica: answers that are expensive to compute. An entry is valid while its
-- version is its tenant's and expires_at lies ahead.
CREATE TABLE cache_entries (
  key        text        COLLATE "C" PRIMARY KEY,
  tenant_id  uuid        NOT NULL,
  version    bigint      NOT NULL,
  value      bytea       NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);
ALTER TABLE cache_entries ALTER COLUMN value SET STORAGE EXTERNAL;  -- compressed already
CREATE INDEX idx_cache_entries_expiry ON cache_entries (expires_at);

-- +goose Down
DROP TABLE cache_entries;
DROP FUNCTION raise_tenant_version CASCADE;
DROP TABLE tenant_versions;
