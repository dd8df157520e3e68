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

-- name: migration_3
-- Runs and events in a quarter of the bytes: ids in 16 bytes, states as columns, and the
-- first events of a run only with the run. There are `beginning` of them: it was made, it
-- was Pending (if at all, at `pending`), it ran (if at all, at `started`), and its end,
-- which is where it stands. Nothing told is '', which is bound and stored faster than
-- NULL. run_key() and old_...() are Python's, see migrations.py.
CREATE TABLE last_sequence (number INTEGER NOT NULL) STRICT;
INSERT INTO last_sequence SELECT coalesce(max(seq), 0) FROM sqlite_sequence
    WHERE name = 'event';
DROP INDEX run_by_parent;
DROP INDEX run_by_time;
DROP INDEX run_by_name;
DROP INDEX run_unfinished;
ALTER TABLE run RENAME TO old_run;
ALTER TABLE event RENAME TO old_event;
CREATE TABLE run (
    sequence INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    flow_or_task TEXT NOT NULL,
    name TEXT NOT NULL,
    created REAL NOT NULL,
    process TEXT NOT NULL,
    parent BLOB,
    details TEXT NOT NULL,
    beginning INTEGER NOT NULL,
    pending REAL,
    attempt INTEGER NOT NULL,
    state_type TEXT NOT NULL,
    state_name TEXT NOT NULL,
    state_told TEXT NOT NULL,
    entered REAL NOT NULL,
    started REAL,
    is_over INTEGER NOT NULL
) STRICT;
INSERT INTO run SELECT
    coalesce(
        (SELECT sequence FROM old_event WHERE run_id = id AND kind = 'created'), -rowid
    ),
    run_key(id), kind, flow_or_task, name, created, process, run_key(parent_id), details,
    1, NULL, attempt, state_type, old_state_name(state), old_state_told(state),
    coalesce(json_extract(state, '$.timestamp'), created), started, ended IS NOT NULL
FROM old_run;
CREATE INDEX run_by_parent ON run (parent);
CREATE INDEX run_but_tasks ON run (id, name) WHERE kind != 'task';
CREATE INDEX run_unfinished ON run (process) WHERE is_over = 0;
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY,
    run BLOB NOT NULL,
    kind TEXT NOT NULL,
    at REAL NOT NULL,
    attempt INTEGER NOT NULL,
    what TEXT NOT NULL,
    name TEXT NOT NULL,
    told ANY NOT NULL
) STRICT;
INSERT INTO event SELECT sequence, run_key(run_id), kind, at, attempt,
    json_extract(data, '$.type'), old_state_name(data), old_state_told(data)
FROM old_event WHERE kind = 'state';
INSERT INTO event SELECT sequence, run_key(run_id), kind, at, attempt,
    old_text(data, 'level'), old_text(data, 'logger'), old_message(data)
FROM old_event WHERE kind = 'log';
INSERT INTO event SELECT sequence, run_key(run_id), kind, at, attempt, '', '', data
FROM old_event WHERE kind = 'noted';
DROP TABLE old_run;
DROP TABLE old_event;
CREATE INDEX event_by_run ON event (run);


-- name: migration_4
-- Work that waits: what can be run, when, where, by whom, and what came of it.
CREATE TABLE deployment (
    id TEXT PRIMARY KEY,
    flow_name TEXT NOT NULL,
    name TEXT NOT NULL,
    lane TEXT NOT NULL,
    paused INTEGER NOT NULL,
    concurrency_limit INTEGER,
    max_crashes INTEGER NOT NULL,
    told TEXT NOT NULL,
    created REAL NOT NULL,
    updated REAL NOT NULL,
    UNIQUE (flow_name, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX deployment_limited ON deployment (id) WHERE concurrency_limit IS NOT NULL;
CREATE TABLE schedule (
    id TEXT PRIMARY KEY,
    deployment TEXT NOT NULL,
    place INTEGER NOT NULL,
    spec TEXT NOT NULL,
    policy TEXT NOT NULL,
    parameters TEXT NOT NULL,
    active INTEGER NOT NULL,
    paused_because TEXT,
    edition INTEGER NOT NULL,
    after REAL NOT NULL,
    next_at REAL,
    due_at REAL,
    counted_from REAL NOT NULL,
    fired INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX schedule_by_deployment ON schedule (deployment);
CREATE INDEX schedule_due ON schedule (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE outcome (
    schedule TEXT NOT NULL,
    nominal REAL NOT NULL,
    last REAL NOT NULL,
    count INTEGER NOT NULL,
    kind TEXT NOT NULL,
    run BLOB,
    at REAL NOT NULL,
    told TEXT NOT NULL,
    PRIMARY KEY (schedule, nominal)
) STRICT, WITHOUT ROWID;
CREATE TABLE work_pool (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    slots INTEGER,
    paused INTEGER NOT NULL,
    description TEXT,
    created REAL NOT NULL
) STRICT, WITHOUT ROWID;
-- A worker is alive while it holds the lock of its process, and is heard of: until
-- `ends` by a clock that starts with the machine (`boot`) and that nobody turns, or
-- until `ends_at` by the wall's for those who have no such clock in common with it.
CREATE TABLE worker (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    process TEXT NOT NULL,
    lanes TEXT NOT NULL,
    slots INTEGER,
    status TEXT NOT NULL,
    boot TEXT NOT NULL,
    ends REAL NOT NULL,
    ends_at REAL NOT NULL,
    started REAL NOT NULL,
    seen REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX worker_online ON worker (id) WHERE status = 'online';
-- One row for each run that was made to wait, also when it is over: it tells which
-- attempt, by which worker, was the last one that counted.
CREATE TABLE queued_run (
    run BLOB PRIMARY KEY,
    deployment TEXT NOT NULL,
    lane TEXT NOT NULL,
    status TEXT NOT NULL,
    priority INTEGER NOT NULL,
    due REAL NOT NULL,
    attempt INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    worker TEXT NOT NULL,
    cancel_requested INTEGER NOT NULL,
    schedule TEXT,
    nominal REAL,
    serial INTEGER NOT NULL,
    idempotency_key TEXT
) STRICT;
CREATE INDEX queued_waiting ON queued_run (lane, priority DESC, due, run)
    WHERE status = 'waiting';
CREATE INDEX queued_held ON queued_run (worker, lane, deployment)
    WHERE status = 'held';
CREATE INDEX queued_of_schedule ON queued_run (schedule, nominal)
    WHERE schedule IS NOT NULL AND status <> 'over';
CREATE UNIQUE INDEX queued_by_key ON queued_run (deployment, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
-- However a run ends, and whoever says so: its place is free from that moment on.
CREATE TRIGGER run_is_over AFTER UPDATE OF is_over ON run
WHEN NEW.is_over = 1 AND NEW.kind = 'flow'
BEGIN UPDATE queued_run SET status = 'over' WHERE run = NEW.id; END;

-- name: migration_5
-- What lists of runs are narrowed by and counted by stands in one index, beside the
-- runs of tasks, of which there are many more.
DROP INDEX run_but_tasks;
CREATE INDEX run_listed ON run
    (id, kind, state_type, flow_or_task, name, created, parent) WHERE kind != 'task';
CREATE INDEX run_reused ON run (id, flow_or_task) WHERE state_name = 'Cached';
CREATE INDEX queued_by_deployment ON queued_run (deployment, run);
CREATE INDEX queued_by_lane ON queued_run (lane, run);
