-- name: limits
SELECT name, slots, decay,
    (SELECT coalesce(sum(lease.slots), 0) FROM slot_lease AS lease
     WHERE lease.limit_name = name) AS held,
    spent, spent_at
FROM concurrency_limit ORDER BY name;

-- name: limits_among
SELECT name, slots, decay,
    (SELECT coalesce(sum(lease.slots), 0) FROM slot_lease AS lease
     WHERE lease.limit_name = name) AS held,
    spent, spent_at
FROM concurrency_limit WHERE name IN (SELECT value FROM json_each(?));

-- name: limit_names
SELECT name FROM concurrency_limit;

-- name: put_limit
INSERT INTO concurrency_limit (name, slots, decay) VALUES (:name, :slots, :decay)
ON CONFLICT (name) DO UPDATE SET slots = :slots, decay = :decay;

-- name: delete_limit
DELETE FROM concurrency_limit WHERE name = ?;

-- name: spend
UPDATE concurrency_limit SET spent = ?, spent_at = ? WHERE name = ?;

-- name: lease
INSERT INTO slot_lease (limit_name, lease_id, slots, process, holder, since, expires)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: renew
UPDATE slot_lease SET expires = ? WHERE limit_name = ? AND lease_id = ?;

-- name: give_back
DELETE FROM slot_lease WHERE limit_name = ? AND lease_id = ?;

-- name: give_all_back
DELETE FROM slot_lease WHERE limit_name = ?;

-- name: leases
SELECT * FROM slot_lease WHERE limit_name = ? ORDER BY since, lease_id;

-- name: lease_terms
SELECT DISTINCT process, expires FROM slot_lease
WHERE limit_name IN (SELECT value FROM json_each(?));

-- name: end_leases
DELETE FROM slot_lease WHERE process = ? AND expires = ?;

-- name: waiters
SELECT ticket, names, process, seen FROM slot_waiter ORDER BY ticket;

-- name: queue_up
INSERT INTO slot_waiter (names, process, seen) VALUES (?, ?, ?);

-- name: still_waiting
UPDATE slot_waiter SET seen = ? WHERE ticket = ?;

-- name: leave_queue
DELETE FROM slot_waiter WHERE ticket = ?;
