-- name: put_deployment
INSERT INTO deployment (id, flow_name, name, lane, paused, concurrency_limit,
    max_crashes, told, created, updated)
VALUES (:id, :flow_name, :name, :lane, :paused, :concurrency_limit, :max_crashes, :told,
    :now, :now)
ON CONFLICT (flow_name, name) DO UPDATE SET lane = :lane, paused = :paused,
    concurrency_limit = :concurrency_limit, max_crashes = :max_crashes, told = :told,
    updated = :now;

-- name: deployment_by_name
SELECT * FROM deployment WHERE flow_name = :flow_name AND name = :name;

-- name: deployment_by_id
SELECT * FROM deployment WHERE id = :id;

-- name: deployments_by_ids
SELECT * FROM deployment WHERE id IN (SELECT value FROM json_each(:ids));

-- name: deployments_called
SELECT * FROM deployment
WHERE id = :reference OR name = :reference OR flow_name || '/' || name = :reference;

-- name: deployments
SELECT * FROM deployment ORDER BY flow_name, name;

-- name: deployments_of_lane
SELECT * FROM deployment WHERE lane = :lane ORDER BY flow_name, name;

-- name: set_paused
UPDATE deployment SET paused = :paused, updated = :now WHERE id = :id;

-- name: move_waiting
UPDATE queued_run SET lane = :lane WHERE deployment = :id AND status = 'waiting';

-- name: delete_deployment
DELETE FROM deployment WHERE id = :id;

-- name: schedules_of
SELECT * FROM schedule WHERE deployment = :deployment ORDER BY place, id;

-- name: schedule
SELECT * FROM schedule WHERE id = :id;

-- name: put_schedule
INSERT INTO schedule (id, deployment, place, spec, policy, parameters, active,
    paused_because, edition, after, next_at, due_at, counted_from, fired)
VALUES (:id, :deployment, :place, :spec, :policy, :parameters, :active, NULL, 1, :after,
    :next_at, :due_at, :after, 0);

-- name: change_schedule
UPDATE schedule SET place = :place, policy = :policy, parameters = :parameters,
    active = :active, paused_because = :paused_because, after = :after,
    next_at = :next_at, due_at = :due_at, counted_from = :counted_from,
    edition = edition + 1
WHERE id = :id;

-- name: delete_schedule
DELETE FROM schedule WHERE id = :id;

-- name: delete_outcomes
DELETE FROM outcome WHERE schedule = :id;

-- name: due_schedules
SELECT * FROM schedule
WHERE due_at <= :now AND (due_at, id) > (:after, :after_id)
    AND id NOT IN (SELECT value FROM json_each(:aside))
ORDER BY due_at, id LIMIT :most;

-- name: due_count
SELECT count(*) AS number FROM (
    SELECT 1 FROM schedule WHERE due_at <= :now LIMIT :most
);

-- name: next_due_schedule
SELECT due_at FROM schedule
WHERE due_at IS NOT NULL AND id NOT IN (SELECT value FROM json_each(:aside))
ORDER BY due_at LIMIT 1;

-- name: firing_schedules
SELECT * FROM schedule WHERE due_at IS NOT NULL;

-- name: editions
SELECT schedule.id, schedule.edition, deployment.updated
FROM schedule JOIN deployment ON deployment.id = schedule.deployment
WHERE schedule.id IN (SELECT value FROM json_each(:ids));

-- name: advance
UPDATE schedule SET after = :after, next_at = :next_at, due_at = :due_at,
    fired = :fired, active = :active, paused_because = :paused_because,
    edition = edition + 1
WHERE id = :id AND edition = :edition;

-- name: correct_time
UPDATE schedule SET next_at = :next_at, due_at = :due_at, edition = edition + 1
WHERE id = :id AND edition = :edition;

-- name: last_ends
SELECT run.state_type FROM outcome JOIN run ON run.id = outcome.run
WHERE outcome.schedule = :schedule AND outcome.nominal > :since AND run.is_over = 1
ORDER BY outcome.nominal DESC LIMIT :most;

-- name: note_outcome
INSERT INTO outcome (schedule, nominal, last, count, kind, run, at, told)
VALUES (:schedule, :nominal, :last, :count, :kind, :run, :at, :told)
ON CONFLICT (schedule, nominal) DO NOTHING;

-- name: backfill_outcome
INSERT INTO outcome (schedule, nominal, last, count, kind, run, at, told)
VALUES (:schedule, :nominal, :last, :count, :kind, :run, :at, :told)
ON CONFLICT (schedule, nominal) DO UPDATE SET kind = :kind, run = :run, at = :at,
    told = :told;

-- name: known_outcomes
SELECT schedule, nominal FROM outcome
WHERE schedule IN (SELECT value FROM json_each(:ids))
    AND nominal BETWEEN :least AND :greatest;

-- name: outcome
SELECT run FROM outcome WHERE schedule = :schedule AND nominal = :nominal;

-- name: part_outcome
UPDATE outcome SET nominal = :next, count = count - 1
WHERE schedule = :schedule AND nominal = :nominal AND count > 1;

-- name: outcomes
SELECT * FROM outcome WHERE schedule = :schedule ORDER BY nominal DESC LIMIT :most;

-- name: put_pool
INSERT INTO work_pool (name, kind, slots, paused, description, created)
VALUES (:name, :kind, :slots, :paused, :description, :now)
ON CONFLICT (name) DO UPDATE SET kind = :kind, slots = :slots, paused = :paused,
    description = :description;

-- name: pools
SELECT *,
    (SELECT count(*) FROM queued_run WHERE status = 'held' AND lane = 'pool/' || name)
        AS held,
    (SELECT count(*) FROM queued_run WHERE status = 'waiting'
        AND lane = 'pool/' || name) AS waiting
FROM work_pool WHERE :name IS NULL OR name = :name ORDER BY name;

-- name: pause_pool
UPDATE work_pool SET paused = :paused WHERE name = :name;

-- name: delete_pool
DELETE FROM work_pool WHERE name = :name;

-- name: register_worker
INSERT INTO worker (id, name, process, lanes, slots, status, boot, ends, ends_at,
    started, seen)
VALUES (:id, :name, :process, :lanes, :slots, 'online', :boot, :ends, :ends_at, :now,
    :now);

-- name: renew_worker
UPDATE worker SET boot = :boot, ends = :ends, ends_at = :ends_at, seen = :now
WHERE id = :id AND status = 'online';

-- name: end_worker
UPDATE worker SET status = :status WHERE id = :id AND status = 'online'
    AND (:ends IS NULL OR ends = :ends);

-- name: is_online
SELECT 1 FROM worker WHERE id = :id AND status = 'online';

-- name: online_workers
SELECT id, process, boot, ends, ends_at FROM worker WHERE status = 'online';

-- name: workers
SELECT *, (SELECT count(*) FROM queued_run
    WHERE queued_run.status = 'held' AND queued_run.worker = worker.id) AS held
FROM worker WHERE :id IS NULL OR id = :id ORDER BY started DESC, id LIMIT :most;

-- name: forget_workers
DELETE FROM worker WHERE status <> 'online' AND seen < :before AND id NOT IN
    (SELECT worker FROM queued_run WHERE status = 'held');
