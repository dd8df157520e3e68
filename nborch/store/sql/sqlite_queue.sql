-- name: put_queued
INSERT INTO queued_run (run, deployment, lane, status, priority, due, attempt, crashes,
    worker, cancel_requested, schedule, nominal, serial, idempotency_key)
VALUES (:run, :deployment, :lane, 'waiting', :priority, :due, 0, 0, '', 0, :schedule,
    :nominal, :serial, :idempotency_key);

-- name: queued_by_key
SELECT run FROM queued_run WHERE deployment = :deployment AND idempotency_key = :key;

-- name: queued_run
SELECT * FROM queued_run WHERE run = :run;

-- name: queued_runs
SELECT * FROM queued_run WHERE status <> 'over'
    AND (:lane IS NULL OR lane = :lane)
    AND (:deployment IS NULL OR deployment = :deployment)
ORDER BY status, priority DESC, due, run LIMIT :most;

-- name: waiting_of_deployment
SELECT run FROM queued_run WHERE status = 'waiting' AND deployment = :deployment;

-- name: unfinished_of_schedules
SELECT schedule, count(*) AS unfinished FROM queued_run
WHERE schedule IN (SELECT value FROM json_each(:ids)) AND status <> 'over'
GROUP BY schedule;

-- name: unfinished_of_schedule
SELECT run FROM queued_run WHERE schedule = :schedule AND status <> 'over'
ORDER BY nominal;

-- name: free_slots
SELECT coalesce((
    SELECT CASE
        WHEN paused THEN 0
        WHEN slots IS NULL THEN :most
        ELSE slots - (SELECT count(*) FROM queued_run
            WHERE status = 'held' AND lane = :lane)
    END
    FROM work_pool WHERE 'pool/' || name = :lane
), :most) AS free;

-- name: claimable
-- Deployments whose limit is reached, and then the first in the lane that need not wait
-- for another.
WITH full (id) AS (
    SELECT id FROM deployment WHERE concurrency_limit IS NOT NULL
        AND (SELECT count(*) FROM queued_run
            WHERE status = 'held' AND deployment = deployment.id) >= concurrency_limit
)
SELECT 1 FROM queued_run AS mine
WHERE status = 'waiting' AND lane = :lane AND due <= :now
    AND deployment NOT IN (SELECT id FROM full)
    AND NOT (serial = 1 AND EXISTS (SELECT 1 FROM queued_run AS earlier
        WHERE earlier.schedule = mine.schedule AND earlier.nominal < mine.nominal
            AND earlier.status <> 'over'))
LIMIT 1;

-- name: claim
WITH full (id) AS (
    SELECT id FROM deployment WHERE concurrency_limit IS NOT NULL
        AND (SELECT count(*) FROM queued_run
            WHERE status = 'held' AND deployment = deployment.id) >= concurrency_limit
),
first (run, deployment, place) AS (
    SELECT run, deployment, row_number() OVER (ORDER BY priority DESC, due, run) FROM (
        SELECT run, deployment, priority, due FROM queued_run AS mine
        WHERE status = 'waiting' AND lane = :lane AND due <= :now
            AND deployment NOT IN (SELECT id FROM full)
            AND NOT (serial = 1 AND EXISTS (SELECT 1 FROM queued_run AS earlier
                WHERE earlier.schedule = mine.schedule
                    AND earlier.nominal < mine.nominal AND earlier.status <> 'over'))
        ORDER BY priority DESC, due, run LIMIT :most
    )
),
-- Several of one deployment together must not go over its limit.
numbered (run, place, has_room) AS (
    SELECT first.run, place, concurrency_limit IS NULL
        OR row_number() OVER (PARTITION BY deployment ORDER BY place)
            + (SELECT count(*) FROM queued_run AS held
                WHERE held.status = 'held' AND held.deployment = first.deployment)
            <= concurrency_limit
    FROM first LEFT JOIN deployment ON deployment.id = first.deployment
)
UPDATE queued_run SET status = 'held', worker = :worker,
    attempt = max(attempt, (SELECT run.attempt FROM run WHERE run.id = queued_run.run))
        + 1
WHERE run IN (SELECT run FROM numbered WHERE has_room) AND status = 'waiting'
RETURNING run, deployment, attempt, crashes, priority, due;

-- name: next_due_run
SELECT min(due) AS due FROM queued_run WHERE status = 'waiting' AND lane = :lane;

-- name: held_by
SELECT run, attempt, cancel_requested FROM queued_run
WHERE status = 'held' AND worker = :worker;

-- name: is_held
SELECT 1 FROM queued_run WHERE run = ? AND attempt = ? AND worker = ?;

-- name: hand_back
UPDATE queued_run SET status = 'waiting', worker = '', due = :due, crashes = :crashes
WHERE run = :run AND status = 'held' AND attempt = :attempt;

-- name: leave_queue
UPDATE queued_run SET status = 'over', worker = CASE WHEN :worker_stays THEN worker
    ELSE '' END
WHERE run = :run AND status <> 'over';

-- name: ask_to_cancel
UPDATE queued_run SET cancel_requested = 1 WHERE run = :run AND status = 'held';

-- name: held_rows_of
SELECT * FROM queued_run WHERE status = 'held' AND worker = :worker;

-- name: held_by_nobody
SELECT DISTINCT worker FROM queued_run WHERE status = 'held'
    AND worker NOT IN (SELECT id FROM worker WHERE status = 'online');
