-- name: standings
SELECT id, state_type, attempt, state, started, ended FROM run
WHERE id IN (SELECT value FROM json_each(?));

-- name: insert_run
INSERT INTO run (id, kind, flow_or_task, name, created, process, parent_id, details,
                 state_type, attempt, state, started, ended)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: update_run
UPDATE run SET state_type = ?, attempt = ?, state = ?, started = ?, ended = ? WHERE id = ?;

-- name: details
SELECT details FROM run WHERE id = ?;

-- name: note
UPDATE run SET details = ? WHERE id = ?;

-- name: insert_event
INSERT INTO event (run_id, kind, at, attempt, data) VALUES (?, ?, ?, ?, ?);

-- name: run_by_id
SELECT * FROM run WHERE id = :reference;

-- name: runs_by_id_prefix
SELECT * FROM run WHERE id >= :reference AND id < :reference || 'g' LIMIT 2;

-- name: newest_run_by_name
SELECT * FROM run WHERE name = :reference ORDER BY created DESC LIMIT 1;

-- name: recent_names
SELECT name FROM run WHERE kind != 'task' ORDER BY created DESC LIMIT 200;

-- name: runs
SELECT * FROM run
WHERE kind IN (SELECT value FROM json_each(:kinds)) AND (NOT :top OR parent_id IS NULL)
ORDER BY created DESC, id DESC LIMIT :limit;

-- name: children
SELECT * FROM run WHERE parent_id = :run_id ORDER BY created, id;

-- name: unfinished
SELECT * FROM run
WHERE state_type NOT IN ('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED');

-- name: events
SELECT * FROM event WHERE sequence > :after ORDER BY sequence;

-- name: events_of_run
SELECT * FROM event WHERE run_id = :run_id AND sequence > :after ORDER BY sequence;

-- name: within
WITH RECURSIVE within (id) AS (
    SELECT :run_id
    UNION ALL
    SELECT run.id FROM run JOIN within ON run.parent_id = within.id
)
SELECT run.* FROM run JOIN within ON run.id = within.id ORDER BY run.created, run.id;

-- name: logs
WITH RECURSIVE within (id) AS (
    SELECT :run_id
    UNION ALL
    SELECT run.id FROM run JOIN within ON run.parent_id = within.id
)
SELECT event.* FROM event JOIN within ON event.run_id = within.id
WHERE event.kind = 'log' ORDER BY event.sequence;
