-- What happened inside executions and the points of series become compact; `conversion.py` moves the rows over.

ALTER TABLE executions ADD COLUMN waited REAL;  -- seconds between attempts; NULL: there was one at most
-- Four bytes tell traces apart well enough to find one, and its first eight digits too.
DROP INDEX executions_trace;
CREATE INDEX executions_trace ON executions (substr(trace_id, 1, 4));

-- The attempts and spans of an execution: what recurs is its shape, the rest its numbers. See `traces.py`.
CREATE TABLE traces (
  execution_id INTEGER PRIMARY KEY,
  shape        ANY NOT NULL,           -- the number of a shape, or the shape itself as text
  numbers      BLOB NOT NULL
);
CREATE TABLE shapes (
  id      INTEGER PRIMARY KEY,
  digest  BLOB NOT NULL UNIQUE,
  content TEXT NOT NULL,
  used_at REAL NOT NULL                -- of executions that started up to a day later, too
);
CREATE INDEX shapes_used ON shapes (used_at);

-- Spans that came on their own: late ones, and those of other programs.
DROP INDEX spans_execution;
DROP INDEX spans_trace;
ALTER TABLE spans RENAME TO old_spans;
CREATE TABLE spans (
  id           INTEGER PRIMARY KEY,
  execution_id INTEGER,
  trace_id     BLOB NOT NULL,
  span_id      BLOB NOT NULL,
  parent_id    BLOB,
  name         TEXT NOT NULL,
  kind         TEXT NOT NULL,
  started_at   REAL NOT NULL,
  duration     REAL NOT NULL,
  status       TEXT NOT NULL,
  attributes   TEXT,
  events       TEXT,
  links        TEXT
);
CREATE INDEX spans_trace ON spans (trace_id);
CREATE INDEX spans_start ON spans (started_at);

-- A sample is up to eight points of one moment; its layout says which series they belong to. Numbers of
-- samples grow with the time of writing, up to 15 minutes after that of the points.
ALTER TABLE points RENAME TO old_points;
CREATE TABLE layouts (
  id     INTEGER NOT NULL,
  place  INTEGER NOT NULL,
  series INTEGER NOT NULL,
  PRIMARY KEY (id, place)
) WITHOUT ROWID;
CREATE INDEX layouts_series ON layouts (series);
CREATE TABLE samples (
  id     INTEGER PRIMARY KEY,
  layout INTEGER NOT NULL,
  at     REAL NOT NULL,
  v0 REAL, v1 REAL, v2 REAL, v3 REAL, v4 REAL, v5 REAL, v6 REAL, v7 REAL
);
CREATE VIEW points (series, at, value) AS
  SELECT layouts.series, samples.at, CASE layouts.place
    WHEN 0 THEN v0 WHEN 1 THEN v1 WHEN 2 THEN v2 WHEN 3 THEN v3
    WHEN 4 THEN v4 WHEN 5 THEN v5 WHEN 6 THEN v6 ELSE v7 END
  FROM samples JOIN layouts ON layouts.id = samples.layout;
