-- Lists of runs as pages show them. A statement is put together of what it returns (one
-- of the first three), of where it looks, and of what narrows it: {source}, {narrowed}.
-- name: listed
SELECT run.* FROM run WHERE {source} AND {narrowed}
    AND (:before IS NULL OR run.id < :before)
ORDER BY run.id DESC LIMIT :limit;

-- name: counted
SELECT state_type, count(*) AS number FROM run WHERE {source} AND {narrowed}
GROUP BY state_type;

-- name: counted_over_time
SELECT cast((created - :since) / :width AS INTEGER) AS bin, state_type,
    count(*) AS number
FROM run WHERE {source} AND {narrowed} GROUP BY bin, state_type;

-- name: source_all
1

-- name: source_but_tasks
kind != 'task'

-- name: source_within
parent = :parent

-- name: narrowed
-- NB. What the index has comes first, and what needs the details of each run last.
kind IN (SELECT value FROM json_each(:kinds))
    AND (:states IS NULL OR state_type IN (SELECT value FROM json_each(:states)))
    AND (:since IS NULL OR created >= :since)
    AND (:until IS NULL OR created < :until)
    AND (:flow IS NULL OR flow_or_task = :flow)
    AND (:parent IS NULL OR parent = :parent)
    AND (:deployment IS NULL OR run.id IN
        (SELECT queued_run.run FROM queued_run WHERE deployment = :deployment))
    AND (:lane IS NULL OR run.id IN
        (SELECT queued_run.run FROM queued_run WHERE lane = :lane))
    AND (:sought IS NULL OR instr(lower(name), :sought)
        OR instr(lower(flow_or_task), :sought)
        OR (:least IS NOT NULL AND run.id BETWEEN :least AND :greatest))
    AND (NOT :top OR parent IS NULL OR EXISTS (SELECT 1 FROM run AS around
        WHERE around.id = run.parent AND around.kind = 'session'))
    AND (:tag IS NULL OR (instr(details, :quoted) AND EXISTS
        (SELECT 1 FROM json_each(details, '$.tags') WHERE value = :tag)))

-- name: task_counts
SELECT parent, state_type, count(*) AS number FROM run WHERE parent IN (VALUES (?))
GROUP BY parent, state_type;

-- name: queued
SELECT run, lane, status, due FROM queued_run WHERE run IN (VALUES (?));

-- name: last_of_deployment
SELECT run.* FROM queued_run JOIN run ON run.id = queued_run.run
WHERE queued_run.deployment = :deployment ORDER BY queued_run.run DESC LIMIT :limit;

-- name: runs_by_ids
SELECT * FROM run WHERE id IN (VALUES (?));

-- name: log_page
-- The lines of a run and of all within it; a line is also made of how each has ended,
-- which stands with the run (see beginning_of() in rows.py) or is an event of its own.
-- CROSS: else all events are read, to have them in order without sorting.
WITH RECURSIVE within (id) AS (
    SELECT :key
    UNION ALL
    SELECT run.id FROM run JOIN within ON run.parent = within.id
), line (place, run, kind, at, attempt, what, name, told) AS (
    SELECT event.sequence, event.run, event.kind, event.at, event.attempt, event.what,
        event.name, event.told
    FROM within CROSS JOIN event ON event.run = within.id
    WHERE event.kind IN ('log', 'state')
    UNION ALL
    SELECT run.sequence + run.beginning - 1, run.id, 'state', run.entered, run.attempt,
        run.state_type, run.state_name, run.state_told
    FROM within CROSS JOIN run ON run.id = within.id
    WHERE run.is_over = 1 AND run.beginning >=
        2 + (run.pending IS NOT NULL) + (run.started IS NOT NULL)
)
SELECT place AS sequence, * FROM line
WHERE place > :after AND place < :before
    AND (kind = 'log' OR what IN ('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED')
        OR (what = 'PENDING' AND name = 'NotReady'))
    AND CASE WHEN kind = 'log' THEN what WHEN what = 'COMPLETED' THEN 'INFO'
        ELSE 'ERROR' END NOT IN (SELECT value FROM json_each(:too_low))
ORDER BY place * :direction LIMIT :limit;


-- name: reused_within
SELECT count(*) AS hits, total(json_extract(state_told, '$.details.saved_seconds'))
    AS seconds FROM run WHERE parent = :key AND state_name = 'Cached';

-- name: reused_by_task
SELECT flow_or_task AS task, count(*) AS hits,
    total(json_extract(state_told, '$.details.saved_seconds')) AS seconds
FROM run WHERE state_name = 'Cached' AND id > :since GROUP BY flow_or_task;

-- name: details_within
SELECT details FROM run WHERE parent = :key AND instr(details, :sought)
ORDER BY created, id LIMIT 1000;

-- name: others_of_process
SELECT count(*) AS number FROM run WHERE is_over = 0 AND process = :process
    AND parent IS NULL AND id != :key;
