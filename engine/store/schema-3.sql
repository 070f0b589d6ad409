CREATE TABLE breakers (
  key      TEXT PRIMARY KEY,
  target   TEXT NOT NULL,
  policy   TEXT NOT NULL,
  state    TEXT NOT NULL,
  failures INTEGER NOT NULL,
  since    REAL NOT NULL
) WITHOUT ROWID;
-- A breaker that is closed has nothing to remember.
CREATE TRIGGER breakers_closed_new AFTER INSERT ON breakers WHEN new.state = 'CLOSED' BEGIN
  DELETE FROM breakers WHERE key = new.key;
END;
CREATE TRIGGER breakers_closed AFTER UPDATE ON breakers WHEN new.state = 'CLOSED' BEGIN
  DELETE FROM breakers WHERE key = new.key;
END;
