-- Which configuration was in force when: an execution ran under the last run that began at or before its number.
CREATE TABLE configurations (
  digest   TEXT PRIMARY KEY,
  text     BLOB NOT NULL               -- zlib, UTF-8, redacted
) WITHOUT ROWID;
CREATE TABLE runs (
  id              INTEGER PRIMARY KEY,
  started_at      REAL NOT NULL,
  version         TEXT NOT NULL,
  digest          TEXT NOT NULL,
  environment     TEXT NOT NULL,
  path            TEXT NOT NULL,
  first_execution INTEGER NOT NULL
);

-- The span that a job's newest success or failure came with, as a W3C traceparent.
ALTER TABLE heartbeats ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';

-- Log lines that come from files, and how far those have been read.
ALTER TABLE logs ADD COLUMN source TEXT;
CREATE INDEX logs_source ON logs (source) WHERE source IS NOT NULL;
CREATE TABLE source_files (
  source  TEXT NOT NULL,
  file    TEXT NOT NULL,               -- device:inode
  path    TEXT NOT NULL,
  offset  INTEGER NOT NULL,            -- bytes
  read_at REAL NOT NULL,
  PRIMARY KEY (source, file)
) WITHOUT ROWID;

-- Roll-ups: what whole hours and days of UTC came to; days are put together from hours. `width` is
-- 3600 or 86400 seconds, and `at` where it begins. A sketch is one of `engine/telemetry/sketch.py`.
CREATE TABLE execution_rollups (
  width       INTEGER NOT NULL,
  at          INTEGER NOT NULL,
  workflow_id TEXT NOT NULL,           -- '': all of them together
  ok          INTEGER NOT NULL,
  degraded    INTEGER NOT NULL,
  failed      INTEGER NOT NULL,
  error       INTEGER NOT NULL,
  skipped     INTEGER NOT NULL,
  interrupted INTEGER NOT NULL,
  spent       REAL NOT NULL,           -- durations: of executions with a result, their sum
  shortest    REAL,
  longest     REAL,
  sketch      BLOB,
  PRIMARY KEY (width, at, workflow_id)
) WITHOUT ROWID;
CREATE INDEX execution_rollups_all ON execution_rollups (width, at) WHERE workflow_id = '';
CREATE TABLE health_rollups (
  width     INTEGER NOT NULL,
  at        INTEGER NOT NULL,
  component TEXT NOT NULL,
  checks    INTEGER NOT NULL,
  good      INTEGER NOT NULL,          -- healthy or degraded
  score     REAL NOT NULL,             -- their sum
  PRIMARY KEY (width, at, component)
) WITHOUT ROWID;
-- Roll-ups to be derived, again when rows came late; `times` they were asked for. Those of all hours before
-- `rolled_until` in `meta` exist otherwise.
CREATE TABLE rollups_due (
  width INTEGER NOT NULL,
  at    INTEGER NOT NULL,
  times INTEGER NOT NULL,
  PRIMARY KEY (width, at)
) WITHOUT ROWID;
