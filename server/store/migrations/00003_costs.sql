-- +goose Up
-- Partitioned by month. "The last year" is partition pruning instead of the seed's index predicates with CURRENT_DATE,
-- which Postgres refuses; months that are no longer wanted are detached.
CREATE TABLE cost_data (
  tenant_id    uuid          NOT NULL,
  resource_id  uuid          NOT NULL,
  service_name text          NOT NULL,
  date         date          NOT NULL,
  cost         numeric(14,4) NOT NULL,
  currency     text          NOT NULL DEFAULT 'USD',
  -- the key of an upsert, and the order of a tenant's costs over a period
  CONSTRAINT idx_cost_data_time_partition PRIMARY KEY (tenant_id, date, resource_id, service_name)
) PARTITION BY RANGE (date);
CREATE INDEX idx_metrics_time_series ON cost_data (tenant_id, resource_id, date DESC, service_name) INCLUDE (cost);
-- What no month takes: a row here keeps the partition of its month from being made, so it is for accidents only.
CREATE TABLE cost_data_default PARTITION OF cost_data DEFAULT;

-- ensure_cost_partitions makes the partitions of `months` months from that of from_month, and returns how many were new.
-- +goose StatementBegin
CREATE FUNCTION ensure_cost_partitions(from_month date, months integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  month date;
  part  text;
  made  integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('ensure_cost_partitions'));  -- two at once would both try to make one
  FOR i IN 0 .. months - 1 LOOP
    month := (date_trunc('month', from_month::timestamp) + make_interval(months => i))::date;
    part := 'cost_data_' || to_char(month, 'YYYYMM');
    IF to_regclass(part) IS NULL THEN
      EXECUTE format('CREATE TABLE %I PARTITION OF cost_data FOR VALUES FROM (%L) TO (%L)',
                     part, month, (month + interval '1 month')::date);
      made := made + 1;
    END IF;
  END LOOP;
  RETURN made;
END $$;
-- +goose StatementEnd

-- +goose Down
DROP TABLE cost_data;
DROP FUNCTION ensure_cost_partitions;
