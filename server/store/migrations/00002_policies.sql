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
-- Each of the four ways to select evaluations has the index that gives them newest first.
CREATE INDEX idx_policy_evaluations_latest
  ON policy_evaluations (resource_id, policy_id, evaluated_at DESC, id DESC) INCLUDE (result);
CREATE INDEX idx_policy_evaluations_keyset ON policy_evaluations (tenant_id, evaluated_at DESC, id DESC);
CREATE INDEX idx_policy_evaluations_resource ON policy_evaluations (resource_id, evaluated_at DESC, id DESC);
CREATE INDEX idx_policy_evaluations_policy ON policy_evaluations (policy_id, evaluated_at DESC, id DESC);

-- The latest evaluation of each resource by each policy: in place of the seed's EXISTS with a correlated MAX().
CREATE TABLE policy_evaluations_current (
  tenant_id    uuid        NOT NULL,
  resource_id  uuid        NOT NULL,
  policy_id    uuid        NOT NULL,
  result       text        NOT NULL,
  evaluated_at timestamptz NOT NULL,
  evaluation   bigint      NOT NULL,  -- its id, which decides between two of the same time
  PRIMARY KEY (resource_id, policy_id)
) WITH (fillfactor = 90);
CREATE INDEX idx_policy_evaluations_current_policy ON policy_evaluations_current (policy_id, resource_id);

-- What a resource is by the results of its latest evaluations: the worst of them.
-- +goose StatementBegin
CREATE FUNCTION set_compliance_status(resource_ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- Changes of the same resource's evaluations take turns, in the order of ids, which cannot deadlock. The next
  -- statement then has a new READ COMMITTED snapshot and sees what the other transaction wrote.
  PERFORM 1 FROM resources WHERE id = ANY (resource_ids) ORDER BY id FOR NO KEY UPDATE;
  UPDATE resources r SET compliance_status = s.status
    FROM (SELECT wanted.id,
                 CASE WHEN bool_or(c.result IN ('non_compliant', 'error')) THEN 'non_compliant'
                      WHEN bool_or(c.result = 'compliant') THEN 'compliant'
                      WHEN bool_or(c.result = 'exempt') THEN 'exempt' ELSE 'unknown' END AS status
            FROM unnest(resource_ids) AS wanted (id)
            LEFT JOIN policy_evaluations_current c ON c.resource_id = wanted.id GROUP BY wanted.id) s
   WHERE r.id = s.id AND r.compliance_status <> s.status;  -- only a flip costs a row version
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION policy_evaluations_apply() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO policy_evaluations_current AS c (tenant_id, resource_id, policy_id, result, evaluated_at, evaluation)
  SELECT DISTINCT ON (resource_id, policy_id) tenant_id, resource_id, policy_id, result, evaluated_at, id
    FROM newrows ORDER BY resource_id, policy_id, evaluated_at DESC, id DESC
  ON CONFLICT (resource_id, policy_id) DO UPDATE
     SET result = EXCLUDED.result, evaluated_at = EXCLUDED.evaluated_at, evaluation = EXCLUDED.evaluation
   WHERE (EXCLUDED.evaluated_at, EXCLUDED.evaluation) > (c.evaluated_at, c.evaluation);
  PERFORM set_compliance_status(ARRAY(SELECT DISTINCT resource_id FROM newrows));
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER policy_evaluations_apply AFTER INSERT ON policy_evaluations
  REFERENCING NEW TABLE AS newrows FOR EACH STATEMENT EXECUTE FUNCTION policy_evaluations_apply();

-- +goose Down
DROP TABLE policy_evaluations_current, policy_evaluations, policies;
DROP FUNCTION policy_evaluations_apply;
DROP FUNCTION set_compliance_status;
