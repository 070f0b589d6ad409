CREATE TABLE heartbeats (
  key           TEXT PRIMARY KEY,
  watched_since REAL NOT NULL,
  started_at    REAL,
  succeeded_at  REAL,
  failed_at     REAL,
  run           REAL,
  exit_code     INTEGER,
  note          TEXT NOT NULL
) WITHOUT ROWID;
