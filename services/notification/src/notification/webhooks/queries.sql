-- The statements of webhooks but for claims.sql; see servicekit.queries. Row level security limits each to the
-- transaction's tenant, but for the sweeps, which are a worker's. Only the sweeps see an endpoint that was deleted. What is
-- queued for a disabled endpoint has failed, and so has, for one that was enabled again, what was queued up to the
-- queue number `failed_up_to`: `deliveries` shows it as failed at once, and the sweep marks it later.

-- name: lock_endpoints
-- One change of the number of a business's endpoints at a time.
SELECT pg_advisory_xact_lock(hashtextextended('webhook-endpoints/' || %(tenant_id)s::text, 0))

-- name: count_endpoints
SELECT count(*) AS n FROM webhook_endpoint WHERE tenant_id = %(tenant_id)s AND deleted_at IS NULL

-- name: add_endpoint
INSERT INTO webhook_endpoint (tenant_id, endpoint_id, url, events, description, created_at)
VALUES (%(tenant_id)s, %(endpoint_id)s, %(url)s, %(events)s, %(description)s, %(now)s)
RETURNING tenant_id, endpoint_id, version, url, events, description, disabled_reason, disabled_at, failing_since,
    created_at

-- name: endpoints
SELECT tenant_id, endpoint_id, version, url, events, description, disabled_reason, disabled_at, failing_since,
    created_at
FROM webhook_endpoint
WHERE tenant_id = %(tenant_id)s AND deleted_at IS NULL AND (%(after)s::uuid IS NULL OR endpoint_id > %(after)s)
ORDER BY endpoint_id LIMIT %(limit)s

-- name: endpoint
SELECT tenant_id, endpoint_id, version, url, events, description, disabled_reason, disabled_at, failing_since,
    created_at
FROM webhook_endpoint WHERE tenant_id = %(tenant_id)s AND endpoint_id = %(endpoint_id)s AND deleted_at IS NULL

-- name: lock_endpoint
-- Before any row of a delivery, as everyone who locks both does.
SELECT tenant_id, endpoint_id, version, url, events, description, disabled_reason, disabled_at, failing_since,
    created_at
FROM webhook_endpoint WHERE tenant_id = %(tenant_id)s AND endpoint_id = %(endpoint_id)s AND deleted_at IS NULL
FOR NO KEY UPDATE

-- name: update_endpoint
UPDATE webhook_endpoint SET version = version + 1, url = %(url)s, events = %(events)s, description = %(description)s,
    disabled_reason = %(disabled_reason)s, disabled_at = %(disabled_at)s, failing_since = %(failing_since)s
WHERE tenant_id = %(tenant_id)s AND endpoint_id = %(endpoint_id)s
RETURNING tenant_id, endpoint_id, version, url, events, description, disabled_reason, disabled_at, failing_since,
    created_at

-- name: mark_failing
UPDATE webhook_endpoint SET failing_since = %(now)s
WHERE tenant_id = %(tenant_id)s AND endpoint_id = %(endpoint_id)s AND failing_since IS NULL

-- name: clear_failing
-- Not of a disabled one, which stays so though a delivery that was under way may still arrive. Nor of a moved one.
UPDATE webhook_endpoint SET failing_since = NULL
WHERE tenant_id = %(tenant_id)s AND endpoint_id = %(endpoint_id)s AND failing_since IS NOT NULL
  AND disabled_reason IS NULL AND url = %(url)s

-- name: hide_endpoints
-- One, or all of a business. Their deliveries may be too many for one statement: the sweeps remove them.
UPDATE webhook_endpoint SET deleted_at = %(now)s, disabled_reason = coalesce(disabled_reason, 'owner'),
    disabled_at = coalesce(disabled_at, %(now)s)
WHERE tenant_id = %(tenant_id)s AND deleted_at IS NULL
  AND (%(endpoint_id)s::uuid IS NULL OR endpoint_id = %(endpoint_id)s)

-- name: drop_secrets
DELETE FROM webhook_secret
WHERE tenant_id = %(tenant_id)s AND (%(endpoint_id)s::uuid IS NULL OR endpoint_id = %(endpoint_id)s)

-- name: add_secret
INSERT INTO webhook_secret (tenant_id, secret_id, endpoint_id, sealed)
VALUES (%(tenant_id)s, %(secret_id)s, %(endpoint_id)s, %(sealed)s)

-- name: replace_secret
UPDATE webhook_secret SET ends_at = %(ends_at)s
WHERE tenant_id = %(tenant_id)s AND endpoint_id = %(endpoint_id)s AND ends_at IS NULL

-- name: secrets
-- Those that sign now, the present one first.
SELECT secret_id, sealed FROM webhook_secret
WHERE tenant_id = %(tenant_id)s AND endpoint_id = %(endpoint_id)s AND (ends_at IS NULL OR ends_at > %(now)s)
ORDER BY ends_at DESC NULLS FIRST

-- name: old_secrets
-- Until when the last that was replaced signs beside the present one; of all endpoints, or of one.
SELECT endpoint_id, max(ends_at) AS ends_at FROM webhook_secret
WHERE tenant_id = %(tenant_id)s AND ends_at > %(now)s
  AND (%(endpoint_id)s::uuid IS NULL OR endpoint_id = %(endpoint_id)s)
GROUP BY endpoint_id

-- name: interested
-- The endpoints that an event goes to; their rows cannot be removed before this transaction ends.
SELECT endpoint_id FROM webhook_endpoint
WHERE tenant_id = %(tenant_id)s AND disabled_reason IS NULL AND deleted_at IS NULL AND events && ARRAY[%(type)s, '*']
FOR KEY SHARE

-- name: queue
INSERT INTO webhook_delivery (tenant_id, delivery_id, endpoint_id, webhook_id, type, body, queued_at, next_attempt_at)
VALUES (%(tenant_id)s, %(delivery_id)s, %(endpoint_id)s, %(webhook_id)s, %(type)s, %(body)s, %(now)s, %(now)s)
ON CONFLICT ON CONSTRAINT webhook_delivery_once DO NOTHING

-- name: lock_claimed
-- Nothing when the lease has been lost to another sender, or the delivery is settled or gone.
SELECT tenant_id, delivery_id, endpoint_id, webhook_id, type, body, status, reason, queued_at, next_attempt_at,
    attempts, tries, settled_at
FROM webhook_delivery
WHERE tenant_id = %(tenant_id)s AND delivery_id = %(delivery_id)s AND status = 'sending'
  AND next_attempt_at = %(lease_ends)s
FOR UPDATE

-- name: begin
UPDATE webhook_delivery SET attempts = attempts + 1, tries = tries + 1
WHERE tenant_id = %(tenant_id)s AND delivery_id = %(delivery_id)s

-- name: add_attempt
INSERT INTO webhook_attempt (tenant_id, delivery_id, number, began_at)
VALUES (%(tenant_id)s, %(delivery_id)s, %(number)s, %(now)s)

-- name: end_attempt
UPDATE webhook_attempt SET milliseconds = %(milliseconds)s, http_status = %(http_status)s, error = %(error)s,
    response = %(response)s
WHERE tenant_id = %(tenant_id)s AND delivery_id = %(delivery_id)s AND number = %(number)s

-- name: postpone
-- By the attempt that this is the outcome of, unless a later one has begun.
UPDATE webhook_delivery SET status = 'queued', next_attempt_at = %(next_attempt_at)s,
    queue_number = nextval('webhook_queue')
WHERE tenant_id = %(tenant_id)s AND delivery_id = %(delivery_id)s AND status = 'sending'
  AND attempts = %(attempts)s

-- name: settle
UPDATE webhook_delivery SET status = %(status)s, reason = %(reason)s, settled_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND delivery_id = %(delivery_id)s AND status = 'sending' AND attempts = %(attempts)s

-- name: fail_queued
-- Of a locked endpoint: all that is queued, or what was queued up to a number; and what was under way when its sender
-- died. What is still under way is settled by its own attempt.
UPDATE webhook_delivery SET status = 'failed', reason = 'EndpointDisabled', settled_at = %(failed_at)s
WHERE (tenant_id, delivery_id) IN (
    SELECT tenant_id, delivery_id FROM webhook_delivery
    WHERE tenant_id = %(tenant_id)s AND endpoint_id = %(endpoint_id)s AND status IN ('queued', 'sending')
      AND (status = 'queued' OR next_attempt_at <= %(now)s)
      AND (%(up_to)s::bigint IS NULL OR coalesce(queue_number, 0) <= %(up_to)s)
    LIMIT %(limit)s FOR UPDATE)

-- name: set_backlog
-- Of a locked endpoint: what is queued by now is to be marked as failed; without a time, nothing is any more.
UPDATE webhook_endpoint SET failed_at = %(failed_at)s,
    failed_up_to = CASE WHEN %(failed_at)s::timestamptz IS NOT NULL THEN nextval('webhook_queue') END
WHERE tenant_id = %(tenant_id)s AND endpoint_id = %(endpoint_id)s

-- name: in_log_order
-- `deliveries` is to read the log from its end until the page is full. The planner, which takes the filters for selective,
-- would collect and sort an endpoint's whole log instead (0.1 million lines in one to three seconds).
SELECT set_config('enable_sort', 'off', true)

-- name: deliveries
-- The newest first, or one. What was delivered is nearly all: where something else is asked for, d.status, which no
-- endpoint has a say in, leads to the index of the rest.
SELECT d.tenant_id, d.delivery_id, d.endpoint_id, d.webhook_id, d.type, d.body, told.status,
    CASE WHEN failed THEN 'EndpointDisabled' ELSE d.reason END AS reason, d.queued_at, d.next_attempt_at, d.attempts,
    d.tries, CASE WHEN failed THEN coalesce(e.disabled_at, e.failed_at) ELSE d.settled_at END AS settled_at
FROM webhook_delivery d
JOIN webhook_endpoint e ON e.tenant_id = d.tenant_id AND e.endpoint_id = d.endpoint_id AND e.deleted_at IS NULL
CROSS JOIN LATERAL (
    SELECT d.status = 'queued' AND (e.disabled_reason IS NOT NULL
        OR e.failed_up_to IS NOT NULL AND coalesce(d.queue_number, 0) <= e.failed_up_to) AS failed) marked
CROSS JOIN LATERAL (SELECT CASE WHEN failed THEN 'failed' ELSE d.status END AS status) told
WHERE d.tenant_id = %(tenant_id)s AND d.endpoint_id = %(endpoint_id)s
  AND (%(delivery_id)s::uuid IS NULL OR d.delivery_id = %(delivery_id)s)
  AND (%(after)s::uuid IS NULL OR d.delivery_id < %(after)s)
  AND (%(status)s::text IS NULL OR told.status = %(status)s)
  AND (%(status)s::text IS NULL OR %(status)s = 'delivered' OR d.status <> 'delivered')
  AND (%(type)s::text IS NULL OR d.type = %(type)s)
ORDER BY d.delivery_id DESC LIMIT %(limit)s

-- name: attempts
SELECT delivery_id, number, began_at, milliseconds, http_status, error, response
FROM webhook_attempt WHERE tenant_id = %(tenant_id)s AND delivery_id = ANY(%(delivery_ids)s)
ORDER BY delivery_id, number

-- name: resend
-- From the schedule's beginning, under the same id; not one that is being sent.
UPDATE webhook_delivery SET status = 'queued', reason = NULL, settled_at = NULL, tries = 0, next_attempt_at = %(now)s,
    queue_number = nextval('webhook_queue')
WHERE tenant_id = %(tenant_id)s AND delivery_id = %(delivery_id)s AND status <> 'sending'
RETURNING tenant_id, delivery_id, endpoint_id, webhook_id, type, body, status, reason, queued_at, next_attempt_at,
    attempts, tries, settled_at

-- name: sweep_deliveries
DELETE FROM webhook_delivery WHERE (tenant_id, delivery_id) IN (
    SELECT tenant_id, delivery_id FROM webhook_delivery WHERE settled_at < %(before)s LIMIT %(limit)s)

-- name: lock_backlog
-- One endpoint with deliveries to mark as failed that nobody else has locked, and which those are.
SELECT e.tenant_id, e.endpoint_id, coalesce(e.disabled_at, e.failed_at) AS failed_at,
    CASE WHEN e.disabled_reason IS NULL THEN e.failed_up_to END AS up_to
FROM webhook_endpoint e
WHERE e.deleted_at IS NULL AND (e.disabled_reason IS NULL AND e.failed_up_to IS NOT NULL
    OR e.disabled_reason IS NOT NULL AND EXISTS (
        SELECT 1 FROM webhook_delivery d
        WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.endpoint_id AND d.status IN ('queued', 'sending')
          AND (d.status = 'queued' OR d.next_attempt_at <= %(now)s)))
LIMIT 1 FOR NO KEY UPDATE OF e SKIP LOCKED

-- name: sweep_deleted
-- Deliveries of endpoints that were deleted.
DELETE FROM webhook_delivery WHERE (tenant_id, delivery_id) IN (
    SELECT d.tenant_id, d.delivery_id FROM webhook_endpoint e CROSS JOIN LATERAL (
        SELECT tenant_id, delivery_id FROM webhook_delivery
        WHERE tenant_id = e.tenant_id AND endpoint_id = e.endpoint_id LIMIT %(limit)s) d
    WHERE e.deleted_at IS NOT NULL LIMIT %(limit)s)

-- name: sweep_endpoints
DELETE FROM webhook_endpoint e WHERE e.deleted_at IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM webhook_delivery d WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.endpoint_id)

-- name: sweep_secrets
DELETE FROM webhook_secret WHERE ends_at <= %(now)s
