-- +goose Up
CREATE TABLE policies (
  id         uuid        PRIMARY KEY,
  tenant_id  uuid        NOT NULL,
  name       text        NOT NULL,
  type       text        NOT NULL,
  category   text        NOT NULL,
  severity   text        NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
  enabled    boolean     NOT NULL DEFAULT true,
  definition jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(definition) = 'object'),
  version    integer     NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE UNIQUE INDEX uq_policies_name ON policies (tenant_id, name) WHERE deleted_at IS NULL;
CREATE INDEX idx_policies_active ON policies (tenant_id, type, category, severity)
  WHERE enabled AND deleted_at IS NULL;
CREATE INDEX idx_policies_tenant_keyset ON policies (tenant_id, updated_at DESC, id DESC) WHERE deleted_at IS NULL;

-- The history: rows are added and never changed.
CREATE TABLE policy_evaluations (
  id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id    uuid        NOT NULL,
  resource_id  uuid        NOT NULL REFERENCES resources (id),
  policy_id    uuid        NOT NULL REFERENCES policies (id),
  result       text        NOT NULL CHECK (result IN ('compliant', 'non_compliant', 'exempt', 'error')),
  evaluated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_policy_evaluations_latest
  ON policy_evaluations (resource_id, policy_id, evaluated_at DESC) INCLUDE (result);
CREATE INDEX idx_policy_evaluations_keyset ON policy_evaluations (tenant_id, evaluated_at DESC, id DESC);

-- The latest evaluation of each resource by each policy: in place of the seed's EXISTS with a correlated MAX().
CREATE TABLE policy_evaluations_current (
  tenant_id    uuid        NOT NULL,
  resource_id  uuid        NOT NULL,
  policy_id    uuid        NOT NULL,
  result       text        NOT NULL,
  evaluated_at timestamptz NOT NULL,
  PRIMARY KEY (resource_id, policy_id)
) WITH (fillfactor = 90);
CREATE INDEX idx_policy_evaluations_current_policy ON policy_evaluations_current (policy_id, resource_id);

-- +goose StatementBegin
CREATE FUNCTION policy_evaluations_apply() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO policy_evaluations_current AS c (tenant_id, resource_id, policy_id, result, evaluated_at)
  SELECT DISTINCT ON (resource_id, policy_id) tenant_id, resource_id, policy_id, result, evaluated_at
    FROM newrows ORDER BY resource_id, policy_id, evaluated_at DESC, id DESC
  ON CONFLICT (resource_id, policy_id) DO UPDATE
     SET result = EXCLUDED.result, evaluated_at = EXCLUDED.evaluated_at
   WHERE EXCLUDED.evaluated_at >= c.evaluated_at;
  -- Evaluations of the same resource take turns, in the order of ids, which cannot deadlock. The next statement then
  -- has a new READ COMMITTED snapshot and sees what the other transaction wrote.
  PERFORM 1 FROM resources WHERE id IN (SELECT resource_id FROM newrows) ORDER BY id FOR NO KEY UPDATE;
  UPDATE resources r SET compliance_status = s.status
    FROM (SELECT resource_id,
                 CASE WHEN bool_or(result IN ('non_compliant', 'error')) THEN 'non_compliant'
                      WHEN bool_or(result = 'compliant') THEN 'compliant' ELSE 'exempt' END AS status
            FROM policy_evaluations_current
           WHERE resource_id IN (SELECT resource_id FROM newrows) GROUP BY resource_id) s
   WHERE r.id = s.resource_id AND r.compliance_status <> s.status;  -- only a flip costs a row version
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER policy_evaluations_apply AFTER INSERT ON policy_evaluations
  REFERENCING NEW TABLE AS newrows FOR EACH STATEMENT EXECUTE FUNCTION policy_evaluations_apply();

-- +goose Down
DROP TABLE policy_evaluations_current, policy_evaluations, policies;
DROP FUNCTION policy_evaluations_apply;
