-- The waitlist's statements, read by booking.waitlist.store; see servicekit.queries.

-- name: add_entry
INSERT INTO waitlist_entry (tenant_id, entry_id, state, service_id, staff_id, earliest, latest, customer_id, timezone,
    created_at, look_at, full_look_at, client)
VALUES (%(tenant_id)s, %(entry_id)s, %(state)s, %(service_id)s, %(staff_id)s, %(earliest)s, %(latest)s,
    %(customer_id)s, %(timezone)s, %(created_at)s, %(created_at)s, %(created_at)s, %(client)s)

-- name: lock_client
-- Before a client's entries are counted, and before any customer: its requests are counted one after another.
SELECT pg_advisory_xact_lock(
    hashtextextended(%(tenant_id)s::text || '/waitlist/' || encode(%(client)s, 'hex'), 0))

-- name: in_line_of_client
-- Whose window has passed waits no longer, though the loop may not have come by.
SELECT count(*)::int AS waiting, min(latest) AS first_ends FROM waitlist_entry
WHERE tenant_id = %(tenant_id)s AND client = %(client)s AND state IN ('waiting', 'offered')
    AND (state = 'offered' OR latest > %(now)s)

-- name: in_line_of_customer
SELECT 1 FROM waitlist_entry
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND service_id = %(service_id)s
    AND state IN ('waiting', 'offered') AND (state = 'offered' OR latest > %(now)s)
LIMIT 1

-- name: entry
SELECT entry_id, state, service_id, staff_id, earliest, latest, customer_id, timezone, created_at
FROM waitlist_entry WHERE tenant_id = %(tenant_id)s AND entry_id = %(entry_id)s

-- name: lock_entry
-- Before the resources, by whoever locks both.
SELECT entry_id, state, service_id, staff_id, earliest, latest, customer_id, timezone, created_at
FROM waitlist_entry WHERE tenant_id = %(tenant_id)s AND entry_id = %(entry_id)s FOR UPDATE

-- name: entries_page
SELECT entry_id, state, service_id, staff_id, earliest, latest, customer_id, timezone, created_at
FROM waitlist_entry
WHERE tenant_id = %(tenant_id)s
    AND (%(state)s::text IS NULL OR state = %(state)s)
    AND (%(service_id)s::uuid IS NULL OR service_id = %(service_id)s)
    AND (%(after)s::uuid IS NULL OR entry_id > %(after)s)
ORDER BY entry_id LIMIT %(limit)s

-- name: set_state
UPDATE waitlist_entry SET state = %(state)s WHERE tenant_id = %(tenant_id)s AND entry_id = %(entry_id)s

-- name: add_offer
-- Answers the version of the customer whom it is for.
INSERT INTO waitlist_offer (tenant_id, offer_id, entry_id, hold_id, staff_ids, starts_at, ends_at, offered_at,
    expires_at)
VALUES (%(tenant_id)s, %(offer_id)s, %(entry_id)s, %(hold_id)s, %(staff_ids)s, %(starts_at)s, %(ends_at)s,
    %(offered_at)s, %(expires_at)s)
RETURNING (
    SELECT c.version FROM waitlist_entry e JOIN customer c USING (tenant_id, customer_id)
    WHERE e.tenant_id = waitlist_offer.tenant_id AND e.entry_id = waitlist_offer.entry_id
) AS customer_version

-- name: offers
-- All that the entries were offered; the one without an outcome stands.
SELECT offer_id, entry_id, hold_id, staff_ids, starts_at, ends_at, offered_at, expires_at, outcome
FROM waitlist_offer WHERE tenant_id = %(tenant_id)s AND entry_id = ANY(%(entry_ids)s) ORDER BY offered_at, offer_id

-- name: offer_on_hold
-- By the index of those that wait for an answer: of a business there are few.
SELECT 1 FROM waitlist_offer WHERE tenant_id = %(tenant_id)s AND hold_id = %(hold_id)s AND outcome IS NULL

-- name: close_offer
UPDATE waitlist_offer SET outcome = %(outcome)s WHERE tenant_id = %(tenant_id)s AND offer_id = %(offer_id)s

-- name: try_lock_line
-- Who looks for a business does so alone, or the second in line might be served before the first.
SELECT pg_try_advisory_xact_lock(hashtextextended(%(tenant_id)s || '/waitlist', 0)) AS mine

-- name: next_in_line
-- A full search that is due comes before a narrow one.
SELECT entry_id, state, service_id, staff_id, earliest, latest, customer_id, timezone, created_at,
    CASE WHEN full_look_at > %(now)s THEN look_during END AS look_during
FROM waitlist_entry WHERE tenant_id = %(tenant_id)s AND state = 'waiting' AND look_at <= %(now)s
ORDER BY created_at, entry_id LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: note_search
-- In vain; the entry is due again when something becomes free, or at the latest for its next full search. Only a
-- full one puts that off, until `again`: times that are freed one after another would do so for ever.
UPDATE waitlist_entry
SET full_look_at = coalesce(%(again)s, full_look_at), look_at = coalesce(%(again)s, full_look_at), look_during = NULL
WHERE tenant_id = %(tenant_id)s AND entry_id = %(entry_id)s

-- name: lapse
-- By the worker, across tenants: who let an offer pass waits again, unless it was one of so many. One that is being
-- taken at this moment is locked, and taken. The time itself comes back as that of any hold does.
WITH due AS (
    SELECT e.tenant_id, e.entry_id, o.offer_id
    FROM waitlist_offer o JOIN waitlist_entry e USING (tenant_id, entry_id)
    WHERE o.outcome IS NULL AND o.expires_at <= %(now)s AND e.state = 'offered'
    ORDER BY o.expires_at LIMIT 200 FOR UPDATE OF e SKIP LOCKED
), lapsed AS (
    UPDATE waitlist_offer o SET outcome = 'lapsed' FROM due
    WHERE o.tenant_id = due.tenant_id AND o.offer_id = due.offer_id
)
UPDATE waitlist_entry e
SET state = CASE WHEN %(most)s <= 1 + (
        SELECT count(*) FROM waitlist_offer p
        WHERE p.tenant_id = e.tenant_id AND p.entry_id = e.entry_id AND p.outcome = 'lapsed')
    THEN 'unanswered' ELSE 'waiting' END, look_at = %(now)s, full_look_at = %(now)s, look_during = NULL
FROM due WHERE e.tenant_id = due.tenant_id AND e.entry_id = due.entry_id

-- name: make_due
-- By the worker, across tenants: the entries that a freed time may serve are due. Rows are locked by id, as two
-- workers may do this at once. A start outside the freed time can still touch it, by a day at most.
WITH heard AS (
    DELETE FROM freed_time WHERE (tenant_id, freed_id) IN (
        SELECT tenant_id, freed_id FROM freed_time ORDER BY freed_id LIMIT 500 FOR UPDATE SKIP LOCKED)
    RETURNING tenant_id, during
), freed AS (
    SELECT tenant_id, range_agg(during) AS times FROM heard GROUP BY tenant_id
), due AS (
    SELECT e.tenant_id, e.entry_id, range_merge(freed.times) AS during
    FROM waitlist_entry e JOIN freed USING (tenant_id)
    WHERE e.state = 'waiting'
        AND freed.times && tstzrange(e.earliest - interval '2 days', e.latest + interval '2 days')
    ORDER BY e.tenant_id, e.entry_id FOR UPDATE OF e
)
UPDATE waitlist_entry e
SET look_at = least(e.look_at, %(now)s),
    look_during = CASE WHEN e.look_at > %(now)s THEN due.during
        WHEN e.look_during IS NOT NULL THEN range_merge(e.look_during, due.during) END
FROM due WHERE e.tenant_id = due.tenant_id AND e.entry_id = due.entry_id

-- name: tenants_due
-- Businesses for which somebody is due to be looked at, those behind `after` first. A suspended one makes no offers.
SELECT e.tenant_id FROM waitlist_entry e JOIN tenants t USING (tenant_id)
WHERE e.state = 'waiting' AND e.look_at <= %(now)s AND t.state = 'active'
GROUP BY e.tenant_id ORDER BY e.tenant_id <= %(after)s::uuid, e.tenant_id LIMIT 100

-- name: anything_free
-- The catalog has changed: any time may have become bookable.
INSERT INTO freed_time (tenant_id, during)
SELECT %(tenant_id)s, '(,)'::tstzrange
WHERE EXISTS (SELECT FROM waitlist_entry WHERE tenant_id = %(tenant_id)s AND state = 'waiting')

-- name: drop_ended
-- By the worker, across tenants: entries that left the line before then, with what they were offered. It waits for nobody.
DELETE FROM waitlist_entry WHERE (tenant_id, entry_id) IN (
    SELECT tenant_id, entry_id FROM waitlist_entry
    WHERE state NOT IN ('waiting', 'offered') AND state_since < %(before)s LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)
