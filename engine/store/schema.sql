-- Times are seconds since the Unix epoch, durations seconds. Trace and span identifiers are blobs (16 and 8 bytes).
-- A span or log line of an execution leaves trace_id NULL: it is the execution's.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value ANY
) WITHOUT ROWID;

CREATE TABLE executions (
  id             INTEGER PRIMARY KEY,
  workflow_id    TEXT NOT NULL,
  workflow_name  TEXT,                 -- NULL: the same as workflow_id
  priority       TEXT NOT NULL,
  trace_id       BLOB NOT NULL,
  scheduled_at   REAL NOT NULL,
  started_at     REAL NOT NULL,
  duration       REAL NOT NULL,
  outcome        TEXT NOT NULL,
  reason         TEXT,
  attempt_count  INTEGER NOT NULL,
  error          TEXT,
  error_type     TEXT,
  error_category TEXT,
  retry_after    REAL
);
CREATE INDEX executions_workflow ON executions (workflow_id);
CREATE INDEX executions_trace ON executions (trace_id);
CREATE INDEX executions_failures ON executions (id) WHERE outcome IN ('failed', 'error');

CREATE TABLE attempts (
  execution_id   INTEGER NOT NULL,
  number         INTEGER NOT NULL,
  started_at     REAL NOT NULL,
  duration       REAL NOT NULL,
  outcome        TEXT NOT NULL,
  error          TEXT,
  error_type     TEXT,
  error_category TEXT,
  retry_after    REAL,
  PRIMARY KEY (execution_id, number)
) WITHOUT ROWID;

CREATE TABLE spans (
  id           INTEGER PRIMARY KEY,
  execution_id INTEGER,
  trace_id     BLOB,
  span_id      BLOB NOT NULL,
  parent_id    BLOB,
  name         TEXT NOT NULL,
  kind         TEXT NOT NULL,
  started_at   REAL NOT NULL,
  duration     REAL NOT NULL,
  status       TEXT NOT NULL,
  attributes   TEXT,
  events       TEXT
);
CREATE INDEX spans_execution ON spans (execution_id);
CREATE INDEX spans_trace ON spans (trace_id) WHERE trace_id IS NOT NULL;

CREATE TABLE series (
  id     INTEGER PRIMARY KEY,
  name   TEXT NOT NULL,
  labels TEXT NOT NULL,
  UNIQUE (name, labels)
);
CREATE TABLE points (
  series INTEGER NOT NULL,
  at     REAL NOT NULL,
  value  REAL,                         -- NULL: not a number
  PRIMARY KEY (series, at)
) WITHOUT ROWID;

CREATE TABLE logs (
  id           INTEGER PRIMARY KEY,
  at           REAL NOT NULL,
  level        INTEGER NOT NULL,
  message      TEXT NOT NULL,
  workflow_id  TEXT,
  execution_id INTEGER,
  trace_id     BLOB,
  span_id      BLOB,
  fields       TEXT
);
CREATE INDEX logs_execution ON logs (execution_id) WHERE execution_id IS NOT NULL;
CREATE INDEX logs_trace ON logs (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX logs_loud ON logs (id) WHERE level >= 13;
CREATE VIRTUAL TABLE logs_fts USING fts5 (
  message, workflow_id,
  content = 'logs', content_rowid = 'id', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TABLE alerts (
  id           INTEGER PRIMARY KEY,
  fingerprint  TEXT NOT NULL,
  rule_id      TEXT NOT NULL,
  rule_name    TEXT NOT NULL,
  subject      TEXT NOT NULL,
  severity     TEXT NOT NULL,
  state        TEXT NOT NULL,
  message      TEXT NOT NULL,
  started_at   REAL NOT NULL,
  last_true_at REAL NOT NULL,
  value        TEXT,
  execution_id INTEGER,
  trace_id     BLOB,
  fired_at     REAL,
  acked_at     REAL,
  acked_by     TEXT NOT NULL,
  ack_note     TEXT NOT NULL,
  resolved_at  REAL,
  resolved_by  TEXT NOT NULL,
  resolve_note TEXT NOT NULL,
  escalated_at REAL
);
CREATE INDEX alerts_fingerprint ON alerts (fingerprint);
CREATE INDEX alerts_open ON alerts (id) WHERE state <> 'resolved';
CREATE INDEX alerts_fired ON alerts (fired_at) WHERE fired_at IS NOT NULL;

CREATE TABLE alert_events (
  id       INTEGER PRIMARY KEY,
  alert_id INTEGER NOT NULL,
  at       REAL NOT NULL,
  kind     TEXT NOT NULL,
  author   TEXT NOT NULL,
  note     TEXT NOT NULL
);
CREATE INDEX alert_events_alert ON alert_events (alert_id);

CREATE TABLE decisions (
  id           INTEGER PRIMARY KEY,
  at           REAL NOT NULL,
  rule_id      TEXT NOT NULL,
  subject      TEXT NOT NULL,
  result       INTEGER,
  value        TEXT,
  threshold    TEXT NOT NULL,
  explanation  TEXT NOT NULL,
  gates        TEXT,
  alert_id     INTEGER,
  execution_id INTEGER
);
CREATE INDEX decisions_alert ON decisions (alert_id) WHERE alert_id IS NOT NULL;
CREATE INDEX decisions_loose ON decisions (id) WHERE alert_id IS NULL;

CREATE TABLE notifications (
  id         INTEGER PRIMARY KEY,
  key        TEXT NOT NULL UNIQUE,
  alert_id   INTEGER NOT NULL,
  channel    TEXT NOT NULL,
  transition TEXT NOT NULL,
  severity   TEXT NOT NULL,
  title      TEXT NOT NULL,
  body       TEXT NOT NULL,
  created_at REAL NOT NULL,
  state      TEXT NOT NULL,
  tries      INTEGER NOT NULL,
  next_at    REAL NOT NULL,
  sent_at    REAL,
  latency    REAL,
  error      TEXT NOT NULL
);
CREATE INDEX notifications_alert ON notifications (alert_id);
CREATE INDEX notifications_unsent ON notifications (state) WHERE state <> 'sent';

CREATE TABLE health_checks (
  id        INTEGER PRIMARY KEY,
  at        REAL NOT NULL,
  component TEXT NOT NULL,
  status    TEXT NOT NULL,
  score     REAL NOT NULL,
  detail    TEXT NOT NULL
);

CREATE TABLE schedules (
  workflow_id TEXT PRIMARY KEY,
  last_slot   REAL NOT NULL,
  paused      INTEGER NOT NULL
) WITHOUT ROWID;
