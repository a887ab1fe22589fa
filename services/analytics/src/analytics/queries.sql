-- analytics's statements; see servicekit.queries. Row level security limits each to the transaction's tenant.

-- name: put_appointment
-- The row ends up the same in whatever order the events come, and however often.
INSERT INTO appointment AS a (tenant_id, appointment_id, version, status, confirmed, starts_at, ends_at, changed_at,
    booked_at)
VALUES (%(tenant_id)s, %(appointment_id)s, %(version)s, %(status)s, %(confirmed)s, %(starts_at)s, %(ends_at)s,
    %(occurred_at)s, %(booked_at)s)
ON CONFLICT (tenant_id, appointment_id) DO UPDATE SET
    version = greatest(a.version, excluded.version),
    status = CASE WHEN excluded.version > a.version THEN excluded.status ELSE a.status END,
    starts_at = CASE WHEN excluded.version > a.version THEN excluded.starts_at ELSE a.starts_at END,
    ends_at = CASE WHEN excluded.version > a.version THEN excluded.ends_at ELSE a.ends_at END,
    changed_at = CASE WHEN excluded.version > a.version THEN excluded.changed_at ELSE a.changed_at END,
    confirmed = a.confirmed OR excluded.confirmed,
    booked_at = coalesce(a.booked_at, excluded.booked_at)

-- name: put_reminder
-- `sent` overrides `failed`, and of two events with one outcome the earlier counts: their order does not matter.
INSERT INTO reminder AS r (tenant_id, message_id, outcome, occurred_at)
VALUES (%(tenant_id)s, %(message_id)s, %(outcome)s, %(occurred_at)s)
ON CONFLICT (tenant_id, message_id) DO UPDATE SET outcome = excluded.outcome, occurred_at = excluded.occurred_at
WHERE (excluded.outcome = 'sent' AND r.outcome = 'failed')
   OR (excluded.outcome = r.outcome AND excluded.occurred_at < r.occurred_at)

-- name: put_subscription
INSERT INTO subscription AS s (tenant_id, subscription_id, status, plan, occurred_at)
VALUES (%(tenant_id)s, %(subscription_id)s, %(status)s, %(plan)s, %(occurred_at)s)
ON CONFLICT (tenant_id, subscription_id) DO UPDATE SET status = excluded.status, plan = excluded.plan,
    occurred_at = excluded.occurred_at
WHERE excluded.occurred_at >= s.occurred_at

-- name: subscription
-- The latest that has not ended, else the latest: the end of one is told after the next has begun.
SELECT status, plan, occurred_at FROM subscription WHERE tenant_id = %(tenant_id)s
ORDER BY status IN ('canceled', 'incomplete_expired'), occurred_at DESC, subscription_id DESC LIMIT 1

-- name: counts
-- What happened between the first midnight and the last, by the day (1 is the first) and what it was.
WITH happened AS (
    SELECT booked_at AS at, 'booked' AS what FROM appointment
    WHERE tenant_id = %(tenant_id)s AND booked_at >= %(first)s AND booked_at < %(last)s
    UNION ALL
    SELECT changed_at, 'cancelled' FROM appointment
    WHERE tenant_id = %(tenant_id)s AND status = 'cancelled' AND changed_at >= %(first)s AND changed_at < %(last)s
    UNION ALL
    SELECT starts_at, CASE status WHEN 'open' THEN 'unsettled' ELSE status END FROM appointment
    WHERE tenant_id = %(tenant_id)s AND starts_at >= %(first)s AND starts_at < %(last)s
        AND (status IN ('completed', 'no_show') OR status = 'open' AND confirmed AND ends_at < %(settle_by)s)
    UNION ALL
    SELECT occurred_at, outcome FROM reminder
    WHERE tenant_id = %(tenant_id)s AND occurred_at >= %(first)s AND occurred_at < %(last)s
)
SELECT width_bucket(at, %(midnights)s::timestamptz[]) AS day, what, count(*) AS n FROM happened GROUP BY 1, 2
