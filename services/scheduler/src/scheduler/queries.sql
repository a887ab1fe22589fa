-- scheduler's statements; see servicekit.queries.

-- name: arm
-- A trigger takes it out again when its key is among the closed ones.
INSERT INTO timer (tenant_id, reminder_id, due_at, request)
VALUES (%(tenant_id)s, %(reminder_id)s, %(due_at)s, %(request)s)
ON CONFLICT (tenant_id, reminder_id) DO NOTHING

-- name: withdraw
INSERT INTO timer (tenant_id, reminder_id, closed_at) VALUES (%(tenant_id)s, %(reminder_id)s, now())
ON CONFLICT (tenant_id, reminder_id) DO UPDATE SET due_at = NULL, request = NULL, closed_at = now()

-- name: disarm
UPDATE timer SET due_at = NULL, request = NULL, closed_at = now()
WHERE (tenant_id, reminder_id) IN (
    SELECT tenant_id, reminder_id FROM timer WHERE tenant_id = %(tenant_id)s AND due_at IS NOT NULL
    LIMIT %(limit)s FOR UPDATE)

-- name: read_until
-- In one round trip with a setting for `take`: with old statistics, as after a flood of timers, the planner would sort
-- all due timers for each batch. It is to read the index of due times in its order.
SELECT min(at) AS at, set_config('enable_sort', 'off', true) FROM read_until

-- name: set_read_until
-- A time of null is one that is not known yet: of a partition that somebody has read, an older one holds.
INSERT INTO read_until (topic, partition, at)
SELECT topic, partition, coalesce(at, to_timestamp(0))
FROM unnest(%(topics)s::text[], %(partitions)s::integer[], %(times)s::timestamptz[]) AS told (topic, partition, at)
ORDER BY topic, partition
ON CONFLICT (topic, partition) DO UPDATE SET at = excluded.at WHERE excluded.at > to_timestamp(0)

-- name: take
-- Those that another process has locked are left to it.
WITH gone AS (
    DELETE FROM timer WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM timer WHERE due_at >= %(since)s AND due_at <= %(until)s
        ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING tenant_id, reminder_id, due_at, request
), closed AS (
    INSERT INTO closed_timer (tenant_id, reminder_id, day, closed_at)
    SELECT tenant_id, reminder_id, day_of(now()), now() FROM gone ON CONFLICT DO NOTHING
)
SELECT due_at, (request || jsonb_build_object('fired_at', %(now)s::timestamptz))::text AS event
FROM gone ORDER BY due_at

-- name: next_due
SELECT due_at FROM timer WHERE due_at >= %(since)s ORDER BY due_at LIMIT 1

-- name: move_closed
-- From `timer` to `closed_timer`, where `take` puts those that fired.
WITH gone AS (
    DELETE FROM timer WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM timer WHERE closed_at IS NOT NULL ORDER BY closed_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING tenant_id, reminder_id, closed_at
), closed AS (
    INSERT INTO closed_timer (tenant_id, reminder_id, day, closed_at)
    SELECT tenant_id, reminder_id, day_of(closed_at), closed_at FROM gone ON CONFLICT DO NOTHING
)
SELECT count(*) AS number FROM gone

-- name: forget_closed
-- A day of very many timers is read whole before it is emptied. A timeout that ended this once would end it each
-- time, and the day would never be emptied: it needs a transaction without one.
SELECT forget_closed_timers()
