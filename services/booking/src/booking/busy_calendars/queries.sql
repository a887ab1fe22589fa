-- Statements about calendars elsewhere that make staff busy; see servicekit.queries.

-- name: save
-- What an address was fetched with means nothing for another one.
INSERT INTO busy_calendar (tenant_id, resource_id, url, next_fetch_at)
VALUES (%(tenant_id)s, %(resource_id)s, %(url)s, %(now)s)
ON CONFLICT (tenant_id, resource_id) DO UPDATE SET url = excluded.url, next_fetch_at = excluded.next_fetch_at,
    etag = NULL, last_modified = NULL, expanded_at = NULL, last_fetch_at = NULL, last_success_at = NULL,
    failing_since = NULL, fault = NULL
WHERE busy_calendar.url <> excluded.url
RETURNING resource_id

-- name: calendar
SELECT resource_id, url, last_fetch_at, last_success_at, failing_since, fault,
    (SELECT count(*)::int FROM external_busy b
     WHERE b.tenant_id = c.tenant_id AND b.resource_id = c.resource_id) AS times
FROM busy_calendar c WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s

-- name: delete
DELETE FROM busy_calendar WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s

-- name: claim
-- By the worker, across tenants: those whose time it is, which no other process takes until the next time.
UPDATE busy_calendar SET next_fetch_at = %(next)s
WHERE (tenant_id, resource_id) IN (
    SELECT c.tenant_id, c.resource_id FROM busy_calendar c
    JOIN tenants t ON t.tenant_id = c.tenant_id AND t.state IN ('active', 'suspended')
    WHERE c.next_fetch_at <= %(now)s
    ORDER BY c.next_fetch_at LIMIT %(limit)s
    FOR UPDATE OF c SKIP LOCKED)
RETURNING tenant_id, resource_id, url, etag, last_modified, expanded_at

-- name: failed
-- Nothing when the address has been changed meanwhile.
UPDATE busy_calendar SET last_fetch_at = %(now)s, fault = %(fault)s,
    failing_since = coalesce(failing_since, %(now)s),
    next_fetch_at = %(now)s + least(greatest(%(now)s - failing_since, %(soonest)s), %(latest)s)
WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s AND url = %(url)s

-- name: unchanged
UPDATE busy_calendar SET last_fetch_at = %(now)s, last_success_at = %(now)s, fault = NULL, failing_since = NULL
WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s AND url = %(url)s

-- name: read
UPDATE busy_calendar SET last_fetch_at = %(now)s, last_success_at = %(now)s, fault = NULL, failing_since = NULL,
    expanded_at = %(now)s, etag = %(etag)s, last_modified = %(last_modified)s
WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s AND url = %(url)s

-- name: keep_times
-- Forgets all times but these, and tells the waitlist what has become free by that: whoever gives times back comes
-- by here.
WITH gone AS (
    DELETE FROM external_busy b
    WHERE b.tenant_id = %(tenant_id)s AND b.resource_id = %(resource_id)s AND b.source = 'calendar'
        AND NOT EXISTS (
            SELECT FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS taken(starts, ends)
            WHERE taken.starts = b.begins_at AND taken.ends = b.ends_at)
    RETURNING b.during
)
INSERT INTO freed_time (tenant_id, during)
SELECT %(tenant_id)s, range_merge(range_agg(during)) FROM gone
WHERE upper(during) > %(now)s
    AND EXISTS (SELECT FROM waitlist_entry WHERE tenant_id = %(tenant_id)s AND state = 'waiting')
HAVING count(*) > 0

-- name: add_times
-- Those of them that are not there yet.
INSERT INTO external_busy (tenant_id, busy_id, resource_id, during, source)
SELECT %(tenant_id)s, gen_random_uuid(), %(resource_id)s, tstzrange(starts, ends), 'calendar'
FROM (
    SELECT starts, ends FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS taken(starts, ends)
    EXCEPT
    SELECT begins_at, ends_at FROM external_busy
    WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s AND source = 'calendar'
) AS added

-- name: own_appointments
-- Which of these are appointments that take this resource, or took it.
SELECT DISTINCT appointment_id FROM allocation
WHERE tenant_id = %(tenant_id)s AND appointment_id = ANY(%(appointment_ids)s) AND resource_id = %(resource_id)s
