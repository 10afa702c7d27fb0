-- +goose Up
-- The event store: what happened, in the transaction in which it happened. Rows are added and never changed.
CREATE TABLE events (
  -- Transactions commit in another order than that in which they took positions, and than that of their own numbers.
  -- What can be followed is the order (transaction, position), up to the oldest transaction that is still open: nothing
  -- can be added before that. Numbers of transactions are those of one cluster: after a dump is restored into another
  -- one, set this column to 0.
  transaction xid8        NOT NULL DEFAULT pg_current_xact_id(),
  position    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id   uuid        NOT NULL,
  stream_id   uuid        NOT NULL,  -- of the thing that the event is about: a resource, a policy
  version     integer     NOT NULL,  -- 1, 2, 3 … within the stream
  type        text        NOT NULL,  -- resource.created
  payload     jsonb       NOT NULL,
  occurred_at timestamptz NOT NULL DEFAULT now(),
  -- optimistic concurrency: of two that append the same version, one fails
  CONSTRAINT uq_events_stream UNIQUE (stream_id, version)
);
CREATE INDEX idx_events_tenant ON events (tenant_id, transaction, position);

-- +goose StatementBegin
CREATE FUNCTION events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'events are append-only' USING ERRCODE = 'restrict_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events
  FOR EACH STATEMENT EXECUTE FUNCTION events_append_only();

-- +goose Down
DROP TABLE events;
DROP FUNCTION events_append_only;
