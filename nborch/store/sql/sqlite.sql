-- name: count
UPDATE last_sequence SET number = number + ?
RETURNING number, (SELECT max(id) FROM run) AS newest_id;

-- name: standings
SELECT id, state_type, attempt, is_over, started, entered FROM run
WHERE id IN (VALUES (?));

-- name: insert_runs
INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: update_runs
WITH now (id, attempt, type, name, told, entered, started, is_over) AS (
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
)
UPDATE run SET attempt = now.attempt, state_type = now.type, state_name = now.name,
    state_told = now.told, entered = now.entered, started = now.started,
    is_over = now.is_over
FROM now WHERE run.id = now.id;

-- name: name_and_details
SELECT name, details FROM run WHERE id = ?;

-- name: note
UPDATE run SET name = ?, details = ? WHERE id = ?;

-- name: insert_events
INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: run_by_id
SELECT * FROM run WHERE id = :key;

-- name: runs_between_ids
SELECT * FROM run WHERE id BETWEEN :least AND :greatest LIMIT 2;

-- name: newest_run_by_name
SELECT * FROM run WHERE kind != 'task' AND name = :name ORDER BY id DESC LIMIT 1;

-- name: newest_task_run_by_name
SELECT * FROM run WHERE kind = 'task' AND name = :name ORDER BY sequence DESC LIMIT 1;

-- name: recent_names
SELECT name FROM run WHERE kind != 'task' ORDER BY id DESC LIMIT 200;

-- name: runs
SELECT * FROM run
WHERE kind IN (SELECT value FROM json_each(:kinds))
    AND (:states IS NULL OR state_type IN (SELECT value FROM json_each(:states)))
    AND (:of IS NULL OR flow_or_task = :of)
    AND (NOT :top OR parent IS NULL)
ORDER BY id DESC LIMIT :limit;

-- name: runs_but_tasks
SELECT * FROM run
WHERE kind != 'task' AND kind IN (SELECT value FROM json_each(:kinds))
    AND (:states IS NULL OR state_type IN (SELECT value FROM json_each(:states)))
    AND (:of IS NULL OR flow_or_task = :of)
    AND (NOT :top OR parent IS NULL)
ORDER BY id DESC LIMIT :limit;

-- name: runs_of_parent
SELECT * FROM run
WHERE parent = :parent AND kind IN (SELECT value FROM json_each(:kinds))
    AND (:states IS NULL OR state_type IN (SELECT value FROM json_each(:states)))
    AND (:of IS NULL OR flow_or_task = :of)
    AND NOT :top
ORDER BY id DESC LIMIT :limit;

-- name: children
SELECT * FROM run WHERE parent = :key ORDER BY created, id;

-- name: unfinished
SELECT * FROM run WHERE is_over = 0;

-- name: any_worker
SELECT 1 FROM worker WHERE status = 'online' LIMIT 1;

-- name: runs_after
SELECT * FROM run WHERE sequence > :after;

-- name: events_after
SELECT * FROM event WHERE sequence > :after;

-- name: events_of_run
SELECT * FROM event WHERE run = :key AND sequence > :after;

-- name: last_sequence
SELECT number FROM last_sequence;

-- name: runs_after_besides
SELECT * FROM run WHERE sequence > :after AND process != :besides;

-- name: events_after_besides
-- CROSS: else all runs are read.
SELECT event.* FROM event CROSS JOIN run ON run.id = event.run
WHERE event.sequence > :after AND run.process != :besides;

-- name: seconds
WITH RECURSIVE recent (id) AS (
    SELECT id FROM run
    WHERE kind != 'task' AND flow_or_task = :of AND state_type = 'COMPLETED'
        AND started IS NOT NULL AND id != :besides
    ORDER BY id DESC LIMIT :runs
), within (id) AS (
    SELECT id FROM recent
    UNION ALL
    SELECT run.id FROM run JOIN within ON run.parent = within.id
)
SELECT run.flow_or_task AS name, run.entered - run.started AS seconds,
    run.id IN (SELECT id FROM recent) AS is_whole
FROM within CROSS JOIN run ON run.id = within.id
WHERE run.state_type = 'COMPLETED' AND run.started IS NOT NULL LIMIT :most;

-- name: within
WITH RECURSIVE within (id) AS (
    SELECT :key
    UNION ALL
    SELECT run.id FROM run JOIN within ON run.parent = within.id
)
SELECT run.* FROM run JOIN within ON run.id = within.id ORDER BY run.created, run.id;

-- name: logs
WITH RECURSIVE within (id) AS (
    SELECT :key
    UNION ALL
    SELECT run.id FROM run JOIN within ON run.parent = within.id
)
-- CROSS: else all events are read, to have them in order without sorting.
SELECT event.* FROM within CROSS JOIN event ON event.run = within.id
WHERE event.kind IN ('log', 'state') ORDER BY event.sequence;
