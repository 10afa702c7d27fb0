-- +goose Up
-- A policy can have a rule that evaluates resources: a WebAssembly module, or an expression.
ALTER TABLE policies
  ADD COLUMN expression    text,
  ADD COLUMN module_sha256 text,     -- in hexadecimal digits; the name by which servers know a compiled module
  ADD COLUMN module_bytes  integer,
  ADD CONSTRAINT policies_rule CHECK (expression IS NULL OR module_sha256 IS NULL);

-- Apart from the policies, because modules are large and read only to be compiled.
CREATE TABLE policy_modules (
  policy_id uuid  PRIMARY KEY REFERENCES policies (id),
  tenant_id uuid  NOT NULL,
  sha256    text  NOT NULL,
  code      bytea NOT NULL
);
ALTER TABLE policy_modules ALTER COLUMN code SET STORAGE EXTERNAL;  -- it is read whole, and compresses little

-- +goose Down
DROP TABLE policy_modules;
ALTER TABLE policies
  DROP COLUMN expression,
  DROP COLUMN module_sha256,
  DROP COLUMN module_bytes;
