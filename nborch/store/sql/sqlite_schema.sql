-- Migration 1. Later migrations are added below with their own number; none is edited.
-- name: migration_1
CREATE TABLE run (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    flow_or_task TEXT NOT NULL,
    name TEXT NOT NULL,
    created REAL NOT NULL,
    process TEXT NOT NULL,
    parent_id TEXT,
    details TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    state_type TEXT NOT NULL DEFAULT 'PENDING',
    state TEXT NOT NULL,
    started REAL,
    ended REAL
) STRICT;
CREATE INDEX run_by_parent ON run (parent_id, created);
CREATE INDEX run_by_time ON run (kind, created);
CREATE INDEX run_by_name ON run (name, created);
CREATE INDEX run_unfinished ON run (process)
    WHERE state_type NOT IN ('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED');
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    at REAL NOT NULL,
    attempt INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX event_by_run ON event (run_id, sequence);

-- name: migration_2
-- Concurrency limits, who holds their slots, and which process waits.
CREATE TABLE concurrency_limit (
    name TEXT PRIMARY KEY,
    slots INTEGER NOT NULL,
    decay REAL NOT NULL,
    spent REAL NOT NULL DEFAULT 0,
    spent_at REAL NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE slot_lease (
    limit_name TEXT NOT NULL,
    lease_id TEXT NOT NULL,
    slots INTEGER NOT NULL,
    process TEXT NOT NULL,
    holder TEXT NOT NULL,
    since REAL NOT NULL,
    expires REAL NOT NULL,
    PRIMARY KEY (limit_name, lease_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE slot_waiter (
    ticket INTEGER PRIMARY KEY AUTOINCREMENT,
    names TEXT NOT NULL,
    process TEXT NOT NULL,
    seen REAL NOT NULL
) STRICT;
