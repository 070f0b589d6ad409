-- Maintenance windows made at run time; those of the configuration are not stored.
CREATE TABLE maintenance (
  id         INTEGER PRIMARY KEY,
  workflows  TEXT NOT NULL,            -- JSON array of patterns of ids and names
  tags       TEXT NOT NULL,            -- JSON array of patterns, empty for any
  mode       TEXT NOT NULL,            -- mute or stop
  author     TEXT NOT NULL,
  reason     TEXT NOT NULL,
  created_at REAL NOT NULL,
  starts_at  REAL NOT NULL,
  ends_at    REAL NOT NULL,
  ended_at   REAL,
  ended_by   TEXT NOT NULL
);
CREATE INDEX maintenance_end ON maintenance (ends_at);
