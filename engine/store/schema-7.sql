-- Alerts: what their life needs to survive a restart.
ALTER TABLE alerts ADD COLUMN ack_until REAL;                          -- the acknowledgement runs out then
ALTER TABLE alerts ADD COLUMN reopened INTEGER NOT NULL DEFAULT 0;     -- how often it fired again
ALTER TABLE alerts ADD COLUMN escalations INTEGER NOT NULL DEFAULT 0;  -- steps taken since it fired
ALTER TABLE alerts ADD COLUMN reminders INTEGER NOT NULL DEFAULT 0;    -- sent since it fired
ALTER TABLE alerts ADD COLUMN told_at REAL;                            -- the last fire, escalation or reminder
ALTER TABLE alerts ADD COLUMN cleared_at REAL;                         -- found false, and kept firing, since
ALTER TABLE alerts ADD COLUMN owed INTEGER NOT NULL DEFAULT 0;         -- 1: muted; to be announced when it ends

-- Silences and maintenance windows made at run time; those of the configuration are not stored.
CREATE TABLE silences (
  id         INTEGER PRIMARY KEY,
  matchers   TEXT NOT NULL,            -- JSON array of texts
  author     TEXT NOT NULL,
  reason     TEXT NOT NULL,
  created_at REAL NOT NULL,
  starts_at  REAL NOT NULL,
  ends_at    REAL NOT NULL,
  expired_at REAL,
  expired_by TEXT NOT NULL
);
CREATE INDEX silences_end ON silences (ends_at);

-- Messages: which leave together, in which message, and on whose behalf.
ALTER TABLE notifications ADD COLUMN grp TEXT NOT NULL DEFAULT '';        -- waits for and leaves with the others of it
ALTER TABLE notifications ADD COLUMN message TEXT NOT NULL DEFAULT '';    -- idempotency key of the message that may have been taken
ALTER TABLE notifications ADD COLUMN stands_for TEXT NOT NULL DEFAULT ''; -- the channel that failed
DROP INDEX notifications_unsent;
CREATE INDEX notifications_open ON notifications (state, next_at) WHERE state IN ('queued', 'sending', 'dead');

-- What was known of the alert when a notification was made: a JSON object, empty for none.
ALTER TABLE notifications ADD COLUMN facts TEXT NOT NULL DEFAULT '';

-- Decisions: the newest of each rule.
CREATE INDEX decisions_rule ON decisions (rule_id, id);

-- Roll-ups of points, packed by layout: see `gists.py`. `width` is 3600 or 86400 seconds, or 60 for the minutes
-- of the hour that begins at `at`.
CREATE TABLE point_rollups (
  id      INTEGER PRIMARY KEY,
  width   INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  layout  INTEGER NOT NULL,
  samples INTEGER NOT NULL,            -- that it was derived from
  packed  BLOB NOT NULL,
  UNIQUE (width, at, layout)
);
-- The hours of about the last week, in whole days, are derived once more, for their points.
INSERT INTO rollups_due
  WITH RECURSIVE
    rolled (until) AS (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'rolled_until'),
    hours (at) AS (
      SELECT max((until - 7 * 86400) / 86400 * 86400, CAST(samples.at AS INTEGER) / 86400 * 86400)
      FROM rolled, (SELECT at FROM samples ORDER BY id LIMIT 1) AS samples
      UNION ALL
      SELECT at + 3600 FROM hours, rolled WHERE at + 3600 < until
    )
  SELECT 3600, hours.at, 1 FROM hours, rolled WHERE hours.at < until
  ON CONFLICT (width, at) DO UPDATE SET times = times + 1;
