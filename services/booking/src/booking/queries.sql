-- booking's statements; see servicekit.queries. Row level security limits each to the transaction's tenant.

-- name: save_resource
INSERT INTO resource (tenant_id, resource_id, version, deleted, name, timezone, weekly_hours, exceptions, kind,
    capacity, always_open, time_off)
VALUES (%(tenant_id)s, %(resource_id)s, %(version)s, %(deleted)s, %(name)s, %(timezone)s, %(weekly_hours)s,
    %(exceptions)s, %(kind)s, %(capacity)s, %(always_open)s, %(time_off)s)
ON CONFLICT (tenant_id, resource_id) DO UPDATE SET version = excluded.version, deleted = excluded.deleted,
    name = excluded.name, timezone = excluded.timezone, weekly_hours = excluded.weekly_hours,
    exceptions = excluded.exceptions, kind = excluded.kind, capacity = excluded.capacity,
    always_open = excluded.always_open, time_off = excluded.time_off
WHERE resource.version < excluded.version

-- name: save_holidays
INSERT INTO holidays (tenant_id, version, days) VALUES (%(tenant_id)s, %(version)s, %(days)s)
ON CONFLICT (tenant_id) DO UPDATE SET version = excluded.version, days = excluded.days
WHERE holidays.version < excluded.version

-- name: save_offer
INSERT INTO offer (tenant_id, service_id, version, deleted, name, duration, buffer_before, buffer_after,
    slot_step, minimum_notice, booking_window, cancellation_window, capacity, requires_confirmation,
    price_amount, currency, resource_ids, staff_count, needs, questions)
VALUES (%(tenant_id)s, %(service_id)s, %(version)s, %(deleted)s, %(name)s, %(duration)s, %(buffer_before)s,
    %(buffer_after)s, %(slot_step)s, %(minimum_notice)s, %(booking_window)s, %(cancellation_window)s,
    %(capacity)s, %(requires_confirmation)s, %(price_amount)s, %(currency)s, %(resource_ids)s, %(staff_count)s,
    %(needs)s, %(questions)s)
ON CONFLICT (tenant_id, service_id) DO UPDATE SET version = excluded.version, deleted = excluded.deleted,
    name = excluded.name, duration = excluded.duration, buffer_before = excluded.buffer_before,
    buffer_after = excluded.buffer_after, slot_step = excluded.slot_step,
    minimum_notice = excluded.minimum_notice, booking_window = excluded.booking_window,
    cancellation_window = excluded.cancellation_window, capacity = excluded.capacity,
    requires_confirmation = excluded.requires_confirmation, price_amount = excluded.price_amount,
    currency = excluded.currency, resource_ids = excluded.resource_ids, staff_count = excluded.staff_count,
    needs = excluded.needs, questions = excluded.questions
WHERE offer.version < excluded.version

-- name: save_policy
-- No row when a newer policy is known already.
INSERT INTO reminder_policy (tenant_id, version, rules) VALUES (%(tenant_id)s, %(version)s, %(rules)s)
ON CONFLICT (tenant_id) DO UPDATE SET version = excluded.version, rules = excluded.rules
WHERE reminder_policy.version < excluded.version

-- name: offer
SELECT service_id, name, duration, buffer_before, buffer_after, slot_step, minimum_notice, booking_window,
    cancellation_window, capacity, requires_confirmation, price_amount, currency, resource_ids, staff_count,
    needs::text, questions::text
FROM offer WHERE tenant_id = app_tenant() AND service_id = %(service_id)s
    AND (%(deleted_too)s OR NOT deleted)

-- name: resources
SELECT resource_id, name, timezone, weekly_hours::text, exceptions::text, kind, capacity, always_open,
    time_off::text, deleted,
    CASE kind WHEN 'staff' THEN (SELECT days FROM holidays WHERE tenant_id = %(tenant_id)s) END AS closed_days
FROM resource
WHERE tenant_id = %(tenant_id)s AND resource_id = ANY(%(resource_ids)s) AND NOT deleted
ORDER BY resource_id

-- name: lock_resources
-- In the order of their ids: all writers of a resource's time queue here, and no two wait for each other.
SELECT resource_id, name, timezone, weekly_hours::text, exceptions::text, kind, capacity, always_open,
    time_off::text, deleted,
    CASE kind WHEN 'staff' THEN (SELECT days FROM holidays WHERE tenant_id = %(tenant_id)s) END AS closed_days
FROM resource
WHERE tenant_id = %(tenant_id)s AND resource_id = ANY(%(resource_ids)s)
ORDER BY resource_id FOR NO KEY UPDATE OF resource

-- name: rules
SELECT rules::text FROM reminder_policy WHERE tenant_id = %(tenant_id)s

-- name: release_expired
-- Holds in the way that have run out; the sweeper would come for them anyway.
UPDATE allocation SET state = 'released'
WHERE tenant_id = %(tenant_id)s AND resource_id = ANY(%(resource_ids)s) AND state = 'held'
    AND held_until <= %(now)s
RETURNING 1

-- name: busy
-- Busy ranges of some resources, one row a lane and session, and what their other calendars say. Instants are
-- compared, not ranges, as an index serves nothing else under row level security; none lasts longer than 7 days.
SELECT resource_id, session_id, begins_at AS starts, ends_at AS ends, count(*)::int AS places, lane
FROM allocation
WHERE tenant_id = %(tenant_id)s AND resource_id = ANY(%(resource_ids)s)
    AND begins_at < %(end)s AND begins_at > %(begin)s - interval '7 days' AND ends_at > %(begin)s
    AND (state = 'confirmed' OR state = 'held' AND held_until > %(now)s)
    -- A hold has no appointment: without `but` it must not be taken for the one to leave out.
    AND (%(but)s::uuid IS NULL OR appointment_id IS DISTINCT FROM %(but)s)
GROUP BY resource_id, lane, session_id, begins_at, ends_at
UNION ALL
SELECT resource_id, busy_id, begins_at, ends_at, 1, 0 FROM external_busy
WHERE tenant_id = %(tenant_id)s AND resource_id = ANY(%(resource_ids)s)
    AND begins_at < %(end)s AND ends_at > %(begin)s

-- name: loads
-- How many appointments each resource has on the day: the least busy one is taken.
SELECT resource_id, count(*)::int AS load FROM allocation
WHERE tenant_id = %(tenant_id)s AND resource_id = ANY(%(resource_ids)s)
    AND begins_at < %(end)s AND begins_at > %(begin)s - interval '7 days' AND ends_at > %(begin)s
    AND state IN ('held', 'confirmed')
GROUP BY resource_id

-- name: allocate
-- The constraint decides, not what was read.
INSERT INTO allocation (tenant_id, allocation_id, resource_id, lane, session_id, during, state, appointment_id,
    hold_id, held_until)
VALUES (%(tenant_id)s, %(allocation_id)s, %(resource_id)s, %(lane)s, %(session_id)s,
    tstzrange(%(begin)s, %(end)s), %(state)s, %(appointment_id)s, %(hold_id)s, %(held_until)s)

-- name: allocate_place
-- The same for a class: the first place that is free. Where none is, no row or, with or_fail, one that must not be.
INSERT INTO allocation (tenant_id, allocation_id, resource_id, lane, session_id, place, during, state,
    appointment_id, hold_id, held_until)
SELECT %(tenant_id)s, %(allocation_id)s, %(resource_id)s, %(lane)s, %(session_id)s, free.place,
    tstzrange(%(begin)s, %(end)s), %(state)s, %(appointment_id)s, %(hold_id)s, %(held_until)s
FROM (VALUES (1)) AS wanted LEFT JOIN (
    SELECT p AS place FROM generate_series(0, %(capacity)s - 1) AS p
    WHERE NOT EXISTS (
        SELECT FROM allocation a
        WHERE a.tenant_id = %(tenant_id)s AND a.resource_id = %(resource_id)s AND a.lane = %(lane)s
            AND a.session_id = %(session_id)s AND a.place = p AND a.state IN ('held', 'confirmed'))
    ORDER BY p LIMIT 1
) AS free ON true
WHERE %(or_fail)s OR free.place IS NOT NULL

-- name: release_appointment
UPDATE allocation SET state = 'released'
WHERE tenant_id = %(tenant_id)s AND appointment_id = %(appointment_id)s AND state = 'confirmed'

-- name: release_hold
UPDATE allocation SET state = 'released'
WHERE tenant_id = %(tenant_id)s AND hold_id = %(hold_id)s AND state = 'held'

-- name: take_over_hold
-- What is held becomes the appointment's; of what, once for each place. The hold has run out or was used when these are
-- not all of its rows; or it keeps what the service took before it was changed.
WITH taken AS (
    UPDATE allocation SET state = 'confirmed', appointment_id = %(appointment_id)s, hold_id = NULL,
        held_until = NULL
    WHERE tenant_id = %(tenant_id)s AND hold_id = %(hold_id)s AND state = 'held' AND held_until > %(now)s
        AND during = tstzrange(%(begin)s, %(end)s) AND session_id = %(session_id)s
    RETURNING resource_id
)
SELECT array(SELECT resource_id FROM taken) AS taken,
    -- As they stood before the update, which this does not see.
    (SELECT count(*) FROM allocation WHERE tenant_id = %(tenant_id)s AND hold_id = %(hold_id)s) AS kept

-- name: add_hold
-- `resource_id` is for the code before `resource_ids`.
INSERT INTO hold (tenant_id, hold_id, service_id, resource_id, resource_ids, starts_at, expires_at, client)
VALUES (%(tenant_id)s, %(hold_id)s, %(service_id)s, %(resource_id)s, %(resource_ids)s, %(starts_at)s,
    %(expires_at)s, %(client)s)

-- name: lock_client
-- Before a client's holds are counted, and before any resource: its requests are counted one after another.
SELECT pg_advisory_xact_lock(hashtextextended(%(tenant_id)s::text || '/holds/' || encode(%(client)s, 'hex'), 0))

-- name: held_by_client
SELECT count(*)::int AS held, min(expires_at) AS first_ends FROM hold
WHERE tenant_id = %(tenant_id)s AND client = %(client)s AND expires_at > %(now)s

-- name: hold
SELECT hold_id, service_id, coalesce(resource_ids, ARRAY[resource_id]) AS resource_ids, starts_at, expires_at
FROM hold WHERE tenant_id = %(tenant_id)s AND hold_id = %(hold_id)s

-- name: delete_hold
DELETE FROM hold WHERE tenant_id = %(tenant_id)s AND hold_id = %(hold_id)s

-- name: sweep_allocations
-- By the worker, across tenants, some at a time: after a downtime there may be very many. It waits for nobody: a writer
-- may hold one of two rows and want the other.
UPDATE allocation SET state = 'released' WHERE (tenant_id, allocation_id) IN (
    SELECT tenant_id, allocation_id FROM allocation WHERE state = 'held' AND held_until <= %(now)s LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)

-- name: sweep_holds
DELETE FROM hold WHERE (tenant_id, hold_id) IN (
    SELECT tenant_id, hold_id FROM hold WHERE expires_at <= %(now)s LIMIT %(limit)s FOR UPDATE SKIP LOCKED)

-- name: drop_released_holds
-- By the worker, across tenants: what holds gave back that would have run out before then. It waits for nobody.
DELETE FROM allocation WHERE (tenant_id, allocation_id) IN (
    SELECT tenant_id, allocation_id FROM allocation
    WHERE state = 'released' AND hold_id IS NOT NULL AND held_until < %(before)s LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)

-- name: drop_released_appointments
-- The same of what appointments gave back that would have begun before then.
DELETE FROM allocation WHERE (tenant_id, allocation_id) IN (
    SELECT tenant_id, allocation_id FROM allocation
    WHERE state = 'released' AND appointment_id IS NOT NULL AND begins_at < %(before)s LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)

-- name: add_customer
-- The same person (address, number and name alike) keeps its row and gives its consent anew; its language, which the
-- business may have put right, changes only where one was named. The row is written, and so locked, where nothing is
-- new, too: `before` says whether anything is. It is what the statement's snapshot has, so that of two who write one row
-- at once the second may tell of the first's change again, and neither of less.
INSERT INTO customer (tenant_id, customer_id, name, email, phone, locale, consent_email, consent_sms)
VALUES (%(tenant_id)s, %(customer_id)s, %(name)s, %(email)s, %(phone)s, %(locale)s, %(consent_email)s,
    %(consent_sms)s)
ON CONFLICT (tenant_id, lower(coalesce(email, '')), coalesce(phone, ''), name) DO UPDATE
SET locale = CASE WHEN %(locale_named)s THEN excluded.locale ELSE customer.locale END,
    consent_email = excluded.consent_email, consent_sms = excluded.consent_sms,
    version = customer.version + (
        (%(locale_named)s AND customer.locale <> excluded.locale)
        OR customer.consent_email <> excluded.consent_email OR customer.consent_sms <> excluded.consent_sms
    )::int
RETURNING customer_id, version, name, email, phone, locale, consent_email, consent_sms, notes, erased_at,
    (
        SELECT jsonb_build_array(before.version, before.locale, before.consent_email, before.consent_sms)
        FROM customer before
        WHERE before.tenant_id = customer.tenant_id AND before.customer_id = customer.customer_id
    ) AS before

-- name: customer
SELECT customer_id, version, name, email, phone, locale, consent_email, consent_sms, notes, erased_at
FROM customer
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s

-- name: customers
SELECT customer_id, version, name, email, phone, locale, consent_email, consent_sms, notes, erased_at
FROM customer
WHERE tenant_id = %(tenant_id)s AND customer_id = ANY(%(customer_ids)s)

-- name: add_appointment
INSERT INTO appointment (tenant_id, appointment_id, status, service_id, resource_ids, customer_id, starts_at,
    ends_at, timezone, price_amount, currency, source, notes, created_at, answers, series_id)
VALUES (%(tenant_id)s, %(appointment_id)s, %(status)s, %(service_id)s, %(resource_ids)s, %(customer_id)s,
    %(starts_at)s, %(ends_at)s, %(timezone)s, %(price_amount)s, %(currency)s, %(source)s, %(notes)s,
    %(created_at)s, %(answers)s, %(series_id)s)

-- name: appointment
SELECT appointment_id, version, status, service_id, resource_ids, customer_id, starts_at, ends_at, timezone,
    price_amount, currency, source, notes, created_at, answers, notes_version, series_id, cancelled_by
FROM appointment WHERE tenant_id = %(tenant_id)s AND appointment_id = %(appointment_id)s

-- name: lock_appointment
-- Changes of one appointment go one after another, and so do their events.
SELECT appointment_id, version, status, service_id, resource_ids, customer_id, starts_at, ends_at, timezone,
    price_amount, currency, source, notes, created_at, answers, notes_version, series_id, cancelled_by
FROM appointment WHERE tenant_id = %(tenant_id)s AND appointment_id = %(appointment_id)s FOR UPDATE

-- name: update_appointment
UPDATE appointment SET status = %(status)s, cancelled_by = %(cancelled_by)s, resource_ids = %(resource_ids)s,
    starts_at = %(starts_at)s, ends_at = %(ends_at)s, version = version + 1, updated_at = now()
WHERE tenant_id = %(tenant_id)s AND appointment_id = %(appointment_id)s

-- name: update_notes
UPDATE appointment SET notes = %(notes)s, notes_version = notes_version + 1, updated_at = now()
WHERE tenant_id = %(tenant_id)s AND appointment_id = %(appointment_id)s

-- name: appointments_page
-- One of the next two ends it.
SELECT appointment_id, version, status, service_id, resource_ids, customer_id, starts_at, ends_at, timezone,
    price_amount, currency, source, notes, created_at, answers, notes_version, series_id, cancelled_by
FROM appointment
WHERE tenant_id = %(tenant_id)s
    AND (%(begin)s::timestamptz IS NULL OR starts_at >= %(begin)s)
    AND (%(end)s::timestamptz IS NULL OR starts_at < %(end)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(resource_id)s::uuid IS NULL OR %(resource_id)s = ANY(resource_ids))
    AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
    AND (%(series_id)s::uuid IS NULL OR series_id = %(series_id)s)

-- name: earliest_first
    AND (%(after_time)s::timestamptz IS NULL OR (starts_at, appointment_id) > (%(after_time)s, %(after_id)s))
ORDER BY starts_at, appointment_id LIMIT %(limit)s

-- name: latest_first
    AND (%(after_time)s::timestamptz IS NULL OR (starts_at, appointment_id) < (%(after_time)s, %(after_id)s))
ORDER BY starts_at DESC, appointment_id DESC LIMIT %(limit)s

-- name: lock_series
-- Its open appointments, by id, the order in which several appointments are locked. None is moved then, so that what
-- is asked behind it is told which of them are still to come.
SELECT FROM appointment
WHERE tenant_id = %(tenant_id)s AND series_id = %(series_id)s AND status IN ('pending', 'confirmed')
ORDER BY appointment_id FOR UPDATE

-- name: rest_of_series
-- Its open appointments from a moment on.
SELECT appointment_id FROM appointment
WHERE tenant_id = %(tenant_id)s AND series_id = %(series_id)s AND status IN ('pending', 'confirmed')
    AND starts_at >= %(begin)s
ORDER BY starts_at, appointment_id

-- name: series_exists
SELECT FROM appointment WHERE tenant_id = %(tenant_id)s AND series_id = %(series_id)s LIMIT 1

-- name: unconfirmed
-- By the worker, across tenants: pending appointments whose start has come, some at a time, the longest overdue first.
-- Those of a suspended business run out too; one that is being deleted is left to its erasure.
SELECT a.tenant_id, a.starts_at, a.appointment_id FROM appointment a JOIN tenants t USING (tenant_id)
WHERE a.status = 'pending' AND a.starts_at <= %(now)s
    AND (a.starts_at, a.appointment_id) > (%(after_time)s, %(after_id)s)
    AND t.state IN ('active', 'suspended')
ORDER BY a.starts_at, a.appointment_id LIMIT %(most)s

-- name: begin_alignment
-- From the first appointment on, also where an earlier change has not been followed to its end.
INSERT INTO reminder_alignment (tenant_id) VALUES (%(tenant_id)s)
ON CONFLICT (tenant_id) DO UPDATE SET after_time = NULL, after_id = NULL

-- name: alignments
-- By the worker, across tenants. What of a business is being deleted is its erasure's.
SELECT a.tenant_id FROM reminder_alignment a JOIN tenants t USING (tenant_id)
WHERE t.state IN ('active', 'suspended') ORDER BY a.tenant_id

-- name: lock_alignment
-- One process at a time follows a business's policy; another passes it over.
SELECT after_time, after_id FROM reminder_alignment WHERE tenant_id = %(tenant_id)s FOR UPDATE SKIP LOCKED

-- name: move_alignment
UPDATE reminder_alignment SET after_time = %(after_time)s, after_id = %(after_id)s WHERE tenant_id = %(tenant_id)s

-- name: end_alignment
DELETE FROM reminder_alignment WHERE tenant_id = %(tenant_id)s

-- name: future_confirmed
-- What a changed reminder policy concerns, some at a time, the next to begin first.
SELECT starts_at, appointment_id FROM appointment
WHERE tenant_id = %(tenant_id)s AND status = 'confirmed' AND starts_at > %(now)s
    AND (starts_at, appointment_id) > (%(after_time)s, %(after_id)s)
ORDER BY starts_at, appointment_id LIMIT %(most)s

-- name: reminders
SELECT reminder_id, rule_id, channel, due_at FROM reminder
WHERE tenant_id = %(tenant_id)s AND appointment_id = %(appointment_id)s ORDER BY due_at, reminder_id

-- name: add_reminder
INSERT INTO reminder (tenant_id, reminder_id, appointment_id, rule_id, channel, due_at)
VALUES (%(tenant_id)s, %(reminder_id)s, %(appointment_id)s, %(rule_id)s, %(channel)s, %(due_at)s)

-- name: delete_reminders
DELETE FROM reminder WHERE tenant_id = %(tenant_id)s AND reminder_id = ANY(%(reminder_ids)s)

-- name: drop_reminders
-- By the worker, across tenants: those that were due before then. It waits for nobody.
DELETE FROM reminder WHERE (tenant_id, reminder_id) IN (
    SELECT tenant_id, reminder_id FROM reminder WHERE due_at < %(before)s LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
