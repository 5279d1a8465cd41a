-- +goose Up
-- Moments are microseconds since 1970, UTC; lists and mappings are JSON.

-- What is known of a pair beside its history. follow is follow.State, '' for none.
CREATE TABLE pairs (
  name   TEXT PRIMARY KEY,
  facts  TEXT NOT NULL DEFAULT '{}',
  follow TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE runs (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  pair        TEXT NOT NULL,
  kind        TEXT NOT NULL,
  started_at  INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  verdict     TEXT NOT NULL,
  reasons     TEXT NOT NULL,
  rows        INTEGER NOT NULL,
  findings    INTEGER NOT NULL
) STRICT;
CREATE INDEX runs_of_pair ON runs (pair, id);

CREATE TABLE findings (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  pair       TEXT NOT NULL,
  object     TEXT NOT NULL,
  kind       TEXT NOT NULL,
  key        TEXT NOT NULL,
  columns    TEXT NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen  INTEGER NOT NULL,
  healed_at  INTEGER,
  seen_by    TEXT NOT NULL
) STRICT;
-- A difference is open once; when it has healed and comes back, that is another one.
CREATE UNIQUE INDEX findings_open ON findings (pair, object, kind, key) WHERE healed_at IS NULL;
CREATE INDEX findings_healed ON findings (pair, healed_at) WHERE healed_at IS NOT NULL;

CREATE TABLE samples (
  pair          TEXT NOT NULL,
  at            INTEGER NOT NULL,
  watermark_age REAL,
  lag_bytes     INTEGER,
  lag_seconds   REAL,
  PRIMARY KEY (pair, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE cells (
  pair  TEXT NOT NULL,
  name  TEXT NOT NULL,
  cells TEXT NOT NULL,
  PRIMARY KEY (pair, name)
) STRICT, WITHOUT ROWID;

-- What is to be told, and to whom.
CREATE TABLE notices (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  webhook  TEXT NOT NULL,
  at       INTEGER NOT NULL,
  body     TEXT NOT NULL,
  tries    INTEGER NOT NULL DEFAULT 0,
  ended_at INTEGER
) STRICT;
CREATE INDEX notices_left ON notices (webhook, id) WHERE ended_at IS NULL;

CREATE TABLE secrets (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT;
