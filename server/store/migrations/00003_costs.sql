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
CREATE INDEX idx_metrics_time_series ON cost_data (tenant_id, resource_id, date DESC, service_name) INCLUDE (cost, currency);
-- What no month takes: a row here keeps the partition of its month from being made, so it is for accidents only.
CREATE TABLE cost_data_default PARTITION OF cost_data DEFAULT;

-- ensure_cost_partitions makes the partitions of `months` months from that of from_month, and returns how many were new.
-- A table is made and then attached, which lets reads and writes of the other months go on; CREATE TABLE … PARTITION OF
-- would stop them all. Rows of the month that the default partition took meanwhile move into it.
-- +goose StatementBegin
CREATE FUNCTION ensure_cost_partitions(from_month date, months integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  begins date;
  ends   date;
  part   text;
  made   integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('cost_partitions'));  -- two at once would both try to make one
  FOR i IN 0 .. months - 1 LOOP
    begins := (date_trunc('month', from_month::timestamp) + make_interval(months => i))::date;
    ends := (begins + interval '1 month')::date;
    part := 'cost_data_' || to_char(begins, 'YYYYMM');
    CONTINUE WHEN to_regclass(part) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE cost_data INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
    LOCK TABLE cost_data_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('WITH moved AS (DELETE FROM cost_data_default WHERE date >= $1 AND date < $2 RETURNING *)
                    INSERT INTO %I SELECT * FROM moved', part) USING begins, ends;
    EXECUTE format('ALTER TABLE cost_data ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, begins, ends);
    made := made + 1;
  END LOOP;
  RETURN made;
END $$;
-- +goose StatementEnd

-- detach_cost_partitions detaches the partitions of months before that of keep_from and returns their names. The tables
-- stay, with their rows, for whoever archives or drops them. DETACH … CONCURRENTLY is not allowed where there is a default
-- partition; the plain one takes an exclusive lock on cost_data, for as long as it takes to change the catalog.
-- +goose StatementBegin
CREATE FUNCTION detach_cost_partitions(keep_from date) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
  part     text;
  detached text[] := '{}';
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('cost_partitions'));
  FOR part IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'cost_data'::regclass AND c.relname ~ '^cost_data_[0-9]{6}$'
       AND c.relname < 'cost_data_' || to_char(keep_from, 'YYYYMM') ORDER BY c.relname
  LOOP
    EXECUTE format('ALTER TABLE cost_data DETACH PARTITION %I', part);
    detached := detached || part;
  END LOOP;
  RETURN detached;
END $$;
-- +goose StatementEnd

-- +goose Down
DROP TABLE cost_data;
DROP FUNCTION ensure_cost_partitions;
DROP FUNCTION detach_cost_partitions;
