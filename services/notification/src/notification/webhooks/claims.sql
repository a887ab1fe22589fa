-- The statements of notification.webhooks.claims; see servicekit.queries. All are a worker's.

-- name: newly_due
-- Endpoints with a delivery whose time came from `since` on, with the first such time. What was `sending` when its
-- sender died is left to `waiting`.
SELECT tenant_id, endpoint_id, min(next_attempt_at) AS since FROM webhook_delivery
WHERE status = 'queued' AND next_attempt_at >= %(since)s AND next_attempt_at <= %(now)s
GROUP BY tenant_id, endpoint_id

-- name: in_index_order
-- `claim` is to read the first few deliveries of each endpoint in the index's order, `waiting` the first. The planner,
-- which takes the policies for selective filters, would collect and sort every endpoint's whole queue instead (180 ms
-- for 200,000 deliveries).
SELECT set_config('enable_bitmapscan', 'off', true)

-- name: waiting
-- All endpoints with a delivery that is due, and since when, by steps through the index, so that a long queue of one
-- costs nothing. It passes all that was settled beside an old snapshot (docs/adr/0025).
WITH RECURSIVE waiting AS (
    (SELECT tenant_id, endpoint_id, next_attempt_at FROM webhook_delivery WHERE status IN ('queued', 'sending')
     ORDER BY tenant_id, endpoint_id, next_attempt_at LIMIT 1)
    UNION ALL
    SELECT next.tenant_id, next.endpoint_id, next.next_attempt_at FROM waiting w CROSS JOIN LATERAL (
        SELECT d.tenant_id, d.endpoint_id, d.next_attempt_at FROM webhook_delivery d
        WHERE d.status IN ('queued', 'sending') AND (d.tenant_id, d.endpoint_id) > (w.tenant_id, w.endpoint_id)
        ORDER BY d.tenant_id, d.endpoint_id, d.next_attempt_at LIMIT 1) next
)
SELECT tenant_id, endpoint_id, next_attempt_at AS since FROM waiting WHERE next_attempt_at <= %(now)s

-- name: lock_claims
-- One claim at a time, in all processes, as each counts what the others have under way.
SELECT pg_advisory_xact_lock(hashtextextended('webhook-claims', 0))

-- name: claim
-- `waiting`: the endpoints that may have a delivery that is due, and from when on to look for it. `room`: how many
-- places each has; one that is failing has one, one with a backlog still to be marked as failed has none. `due`: as many
-- of its deliveries as it has places left. `place` and `share` count what is under way already, in all processes and
-- at all endpoints of the business: otherwise the endpoint with the longest queue would come first again whenever a
-- delivery ends.
-- All first deliveries of endpoints go before any second one, and among equals those of the business with less under
-- way. Second and third ones stay within their business's share, and leave `kept` of the room to first ones.
-- None goes to a disabled endpoint, as deleted ones are.
-- Answers the endpoints that may still have one that is due, once for each delivery that was claimed.
WITH waiting AS (
    SELECT * FROM unnest(%(tenant_ids)s::uuid[], %(endpoint_ids)s::uuid[], %(since)s::timestamptz[])
        AS w (tenant_id, endpoint_id, since)
), room AS (
    SELECT e.tenant_id, e.endpoint_id, w.since, s.under_way,
        sum(s.under_way) OVER (PARTITION BY e.tenant_id) AS of_business,
        CASE WHEN e.failed_up_to IS NOT NULL THEN 0 WHEN e.failing_since IS NULL THEN %(places)s ELSE 1 END AS places
    FROM webhook_endpoint e LEFT JOIN waiting w ON w.tenant_id = e.tenant_id AND w.endpoint_id = e.endpoint_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS under_way FROM webhook_delivery s
        WHERE s.tenant_id = e.tenant_id AND s.endpoint_id = e.endpoint_id AND s.status = 'sending'
          AND s.next_attempt_at > %(now)s) s
    WHERE e.tenant_id = ANY(%(tenant_ids)s) AND e.disabled_reason IS NULL
), due AS (
    SELECT r.of_business, r.under_way + row_number() OVER queue AS place, locked.*
    FROM room r CROSS JOIN LATERAL (
        SELECT d.tenant_id, d.endpoint_id, d.delivery_id, d.next_attempt_at FROM webhook_delivery d
        WHERE d.tenant_id = r.tenant_id AND d.endpoint_id = r.endpoint_id AND d.status IN ('queued', 'sending')
          AND d.next_attempt_at >= r.since AND d.next_attempt_at <= %(now)s
        ORDER BY d.next_attempt_at LIMIT greatest(0, r.places - r.under_way) FOR UPDATE SKIP LOCKED) locked
    WINDOW queue AS (PARTITION BY locked.tenant_id, locked.endpoint_id ORDER BY locked.next_attempt_at)
), shared AS (
    SELECT due.*, of_business + row_number() OVER (PARTITION BY tenant_id ORDER BY place, next_attempt_at) AS share
    FROM due
), turns AS (
    SELECT shared.*, row_number() OVER (ORDER BY place, share, next_attempt_at) AS turn
    FROM shared WHERE place = 1 OR share <= %(share)s
), claimed AS (
    UPDATE webhook_delivery m SET status = 'sending', next_attempt_at = %(lease_ends)s FROM turns
    WHERE m.tenant_id = turns.tenant_id AND m.delivery_id = turns.delivery_id
      AND turns.turn <= %(limit)s - CASE WHEN turns.place = 1 THEN 0 ELSE %(kept)s END
    RETURNING m.tenant_id, m.endpoint_id, m.delivery_id, turns.next_attempt_at AS due_at
)
SELECT r.tenant_id, r.endpoint_id, r.since, c.delivery_id, c.due_at
FROM room r LEFT JOIN claimed c ON c.tenant_id = r.tenant_id AND c.endpoint_id = r.endpoint_id
WHERE r.since IS NOT NULL AND (r.places <= r.under_way OR EXISTS (
    SELECT 1 FROM due WHERE due.tenant_id = r.tenant_id AND due.endpoint_id = r.endpoint_id))

-- name: overdue
SELECT d.next_attempt_at AS since FROM webhook_delivery d
WHERE d.status = 'queued' AND NOT EXISTS (
    SELECT 1 FROM webhook_endpoint e
    WHERE e.tenant_id = d.tenant_id AND e.endpoint_id = d.endpoint_id
      AND (e.disabled_reason IS NOT NULL OR coalesce(d.queue_number, 0) <= e.failed_up_to))
ORDER BY d.next_attempt_at LIMIT 1
