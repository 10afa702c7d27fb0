-- +goose Up
-- compliance_status is kept by policy_evaluations_apply(), so that no row needs a look at its evaluations here.
CREATE MATERIALIZED VIEW mv_compliance_summary AS
SELECT tenant_id, subscription_id, type AS resource_type,
       count(*)                                                        AS total_resources,
       count(*) FILTER (WHERE compliance_status <> 'unknown')          AS evaluated_resources,
       count(*) FILTER (WHERE compliance_status = 'compliant')         AS compliant_resources,
       count(*) FILTER (WHERE compliance_status = 'non_compliant')     AS non_compliant_resources,
       count(*) FILTER (WHERE compliance_status = 'exempt')            AS exempt_resources,
       -- of those that were evaluated; NULL, not 0, where none was
       round(100.0 * count(*) FILTER (WHERE compliance_status IN ('compliant', 'exempt'))
             / nullif(count(*) FILTER (WHERE compliance_status <> 'unknown'), 0), 2) AS compliance_percentage
  FROM resources
 WHERE deleted_at IS NULL
 GROUP BY tenant_id, subscription_id, type
  WITH DATA;  -- REFRESH CONCURRENTLY needs a view that has been filled
CREATE UNIQUE INDEX idx_mv_compliance_summary_pk
  ON mv_compliance_summary (tenant_id, subscription_id, resource_type);

CREATE TABLE mv_refresh_log (
  view         text        PRIMARY KEY,
  refreshed_at timestamptz NOT NULL,  -- the view shows what was committed before it
  took         interval    NOT NULL
);

-- refresh_compliance_summary returns false when another refresh is under way.
-- +goose StatementBegin
CREATE FUNCTION refresh_compliance_summary() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  began timestamptz := clock_timestamp();
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('mv_compliance_summary')) THEN
    RETURN false;
  END IF;
  REFRESH MATERIALIZED VIEW CONCURRENTLY mv_compliance_summary;
  INSERT INTO mv_refresh_log VALUES ('mv_compliance_summary', began, clock_timestamp() - began)
    ON CONFLICT (view) DO UPDATE SET refreshed_at = EXCLUDED.refreshed_at, took = EXCLUDED.took;
  RETURN true;
END $$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION refresh_compliance_summary;
DROP TABLE mv_refresh_log;
DROP MATERIALIZED VIEW mv_compliance_summary;
