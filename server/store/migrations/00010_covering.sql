-- +goose NO TRANSACTION
-- +goose Up
-- The index has what a summary of a resource has (see Summary in fields.go), so that a page of summaries of a
-- subscription is read from the index alone. The old one serves until the new one is there.
DROP INDEX CONCURRENTLY IF EXISTS idx_resources_subscription_summary;
CREATE INDEX CONCURRENTLY idx_resources_subscription_summary
  ON resources (tenant_id, subscription_id, updated_at DESC, id DESC) INCLUDE (name, type, location, resource_group_name)
  WHERE deleted_at IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS idx_resources_subscription_covering;
ALTER INDEX idx_resources_subscription_summary RENAME TO idx_resources_subscription_covering;

-- +goose Down
DROP INDEX CONCURRENTLY IF EXISTS idx_resources_subscription_covering;
CREATE INDEX CONCURRENTLY idx_resources_subscription_covering
  ON resources (tenant_id, subscription_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;
