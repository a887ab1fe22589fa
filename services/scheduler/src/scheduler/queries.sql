-- scheduler's statements; see servicekit.queries.

-- name: arm
INSERT INTO timer (tenant_id, reminder_id, due_at, request)
VALUES (%(tenant_id)s, %(reminder_id)s, %(due_at)s, %(request)s)
ON CONFLICT (tenant_id, reminder_id) DO NOTHING

-- name: withdraw
INSERT INTO timer (tenant_id, reminder_id, closed_at) VALUES (%(tenant_id)s, %(reminder_id)s, now())
ON CONFLICT (tenant_id, reminder_id) DO UPDATE SET due_at = NULL, request = NULL, closed_at = now()

-- name: disarm
UPDATE timer SET due_at = NULL, request = NULL, closed_at = now()
WHERE tenant_id = %(tenant_id)s AND due_at IS NOT NULL

-- name: due
-- Locked until the transaction ends; those that another process holds are left to it.
SELECT tenant_id, reminder_id, request FROM timer WHERE due_at <= %(now)s
ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED

-- name: close
UPDATE timer SET due_at = NULL, request = NULL, closed_at = now()
FROM unnest(%(tenant_ids)s::uuid[], %(reminder_ids)s::uuid[]) AS taken (tenant, reminder)
WHERE tenant_id = taken.tenant AND reminder_id = taken.reminder

-- name: next_due
SELECT due_at FROM timer WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1

-- name: forget_closed
DELETE FROM timer WHERE closed_at < %(before)s
