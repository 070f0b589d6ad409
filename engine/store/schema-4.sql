CREATE TABLE responses (
  workflow_id    TEXT NOT NULL,
  step_id        TEXT NOT NULL,
  slot           INTEGER NOT NULL,
  execution_id   INTEGER NOT NULL,
  at             REAL NOT NULL,
  succeeded      INTEGER NOT NULL,
  fields         BLOB NOT NULL,
  cut            TEXT,
  error          TEXT,
  error_type     TEXT,
  error_category TEXT,
  retry_after    REAL,
  UNIQUE (workflow_id, step_id, slot)
);
CREATE INDEX responses_execution ON responses (execution_id);
