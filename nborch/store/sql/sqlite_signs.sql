-- name: kin
SELECT id, kind, parent FROM run WHERE id IN (VALUES (?));

-- name: runs_by_ids
SELECT * FROM run WHERE id IN (VALUES (?));

-- name: sign_deployments
SELECT count(*), total(updated), total(paused) FROM deployment;

-- name: sign_schedules
SELECT count(*), total(active), total(edition), total(fired), total(next_at)
FROM schedule;

-- name: sign_pools
SELECT * FROM work_pool;

-- name: sign_workers
-- Those that are there are heard of all the time, which is news now and then.
SELECT id, status, slots, CAST(seen / 30 AS INTEGER) FROM worker;

-- name: sign_waiting
SELECT lane, count(*) FROM queued_run WHERE status = 'waiting' GROUP BY lane;

-- name: sign_held
SELECT lane, worker, count(*) FROM queued_run WHERE status = 'held'
GROUP BY lane, worker;

-- name: sign_limits
SELECT * FROM concurrency_limit;

-- name: sign_leases
SELECT limit_name, lease_id, slots FROM slot_lease;
