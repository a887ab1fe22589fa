-- Statements about customers as records, about exports and calendar feeds; see servicekit.queries.

-- name: lock_customer
-- Changes of one customer go one after another, and so do their events; no appointment is made meanwhile.
SELECT customer_id, version, name, email, phone, locale, consent_email, consent_sms, notes, erased_at
FROM customer WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s FOR UPDATE

-- name: update_customer
UPDATE customer SET name = %(name)s, email = %(email)s, phone = %(phone)s, locale = %(locale)s,
    consent_email = %(consent_email)s, consent_sms = %(consent_sms)s, notes = %(notes)s,
    erased_at = %(erased_at)s, version = version + 1
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s

-- name: raise_customers
-- The next by id, so that the last one's is where to go on; of those who were erased a tombstone has told.
UPDATE customer SET version = version + %(step)s
WHERE tenant_id = %(tenant_id)s AND customer_id IN (
    SELECT customer_id FROM customer
    WHERE tenant_id = %(tenant_id)s AND erased_at IS NULL AND (%(after)s::uuid IS NULL OR customer_id > %(after)s)
    ORDER BY customer_id LIMIT %(limit)s FOR UPDATE)
RETURNING customer_id, version, name, email, phone, locale, consent_email, consent_sms, notes, erased_at

-- name: customers_page
SELECT customer_id, version, name, email, phone, locale, consent_email, consent_sms, notes, erased_at
FROM customer
WHERE tenant_id = %(tenant_id)s AND erased_at IS NULL AND (%(after)s::uuid IS NULL OR customer_id > %(after)s)
ORDER BY customer_id LIMIT %(limit)s

-- name: customers_found
-- By the beginning of a name or an address. All that begins so lies between that and that with `last` behind it.
-- Neither `lower` of a column nor LIKE: an index serves no such thing under row level security.
SELECT customer_id, version, name, email, phone, locale, consent_email, consent_sms, notes, erased_at
FROM customer
WHERE tenant_id = %(tenant_id)s AND erased_at IS NULL AND (%(after)s::uuid IS NULL OR customer_id > %(after)s)
    AND (name_sought >= lower(%(begins)s) AND name_sought < lower(%(begins)s) || %(last)s
        OR email_sought >= lower(%(begins)s) AND email_sought < lower(%(begins)s) || %(last)s)
ORDER BY customer_id LIMIT %(limit)s

-- name: open_appointments
-- Of a customer's, those that are still to take place.
SELECT count(*)::int AS count FROM appointment
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND status IN ('pending', 'confirmed')
    AND ends_at > %(now)s

-- name: clear_notes
-- What was noted about a customer at their appointments, and what they answered.
UPDATE appointment SET notes = '', answers = '[]', notes_version = notes_version + 1, updated_at = now()
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND (notes <> '' OR answers <> '[]')

-- name: answers_about
-- Of a day, those whose text has the id in it.
SELECT route, key, body FROM idempotency
WHERE tenant_id = %(tenant_id)s AND position(convert_to(%(customer_id)s::uuid::text, 'UTF8') IN body) > 0

-- name: replace_answer
UPDATE idempotency SET body = %(body)s WHERE tenant_id = %(tenant_id)s AND route = %(route)s AND key = %(key)s

-- name: lock_entries
-- By id, as the waitlist's loop, and before the customer: who takes an offer has the entry, and then needs the customer.
SELECT FROM waitlist_entry WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s
ORDER BY entry_id FOR UPDATE

-- name: leave_waitlist
-- An offer's hold runs out by itself.
DELETE FROM waitlist_entry WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s

-- name: export_appointments
SELECT a.appointment_id AS id, a.status, a.starts_at, a.ends_at, a.service_id, o.name AS service,
    a.resource_ids AS staff_ids,
    array(SELECT r.name FROM unnest(a.resource_ids) WITH ORDINALITY AS taken(resource_id, place)
          JOIN resource r ON r.tenant_id = a.tenant_id AND r.resource_id = taken.resource_id
          ORDER BY taken.place) AS staff,
    a.customer_id, c.name AS customer, c.email, c.phone, a.price_amount, a.currency, a.source, a.notes,
    a.created_at, a.cancelled_by,
    array(SELECT (item ->> 'label') || ': ' || (item ->> 'answer')
          FROM jsonb_array_elements(a.answers) WITH ORDINALITY AS given(item, place)
          ORDER BY given.place) AS answers
FROM appointment a
JOIN customer c ON c.tenant_id = a.tenant_id AND c.customer_id = a.customer_id
LEFT JOIN offer o ON o.tenant_id = a.tenant_id AND o.service_id = a.service_id
WHERE a.tenant_id = %(tenant_id)s AND a.starts_at >= %(begin)s AND a.starts_at < %(end)s
ORDER BY a.starts_at, a.appointment_id

-- name: export_customers
SELECT customer_id AS id, name, email, phone, locale, consent_email, consent_sms, notes, created_at
FROM customer WHERE tenant_id = %(tenant_id)s AND erased_at IS NULL ORDER BY customer_id

-- name: save_feed
INSERT INTO staff_feed (tenant_id, resource_id, token_hash) VALUES (%(tenant_id)s, %(resource_id)s, %(token_hash)s)
ON CONFLICT (tenant_id, resource_id) DO UPDATE SET token_hash = excluded.token_hash, created_at = now()

-- name: delete_feed
DELETE FROM staff_feed WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s

-- name: feed
SELECT f.token_hash, r.name, r.deleted FROM staff_feed f
JOIN resource r ON r.tenant_id = f.tenant_id AND r.resource_id = f.resource_id
WHERE f.tenant_id = %(tenant_id)s AND f.resource_id = %(resource_id)s

-- name: feed_appointments
-- By the time that they take of the staff member's, or took before they were cancelled: it begins with the appointment,
-- or by a buffer up to 7 days before. No index leads from somebody in resource_ids to an appointment, and by its start
-- alone all of the business's would be read. OFFSET has each looked up by its id, for the same reason.
SELECT a.appointment_id, a.version, a.status, a.starts_at, a.ends_at, a.created_at,
    coalesce((SELECT o.name FROM offer o WHERE o.tenant_id = a.tenant_id AND o.service_id = a.service_id), '')
        AS service,
    (SELECT c.name FROM customer c WHERE c.tenant_id = a.tenant_id AND c.customer_id = a.customer_id) AS customer
FROM (
    SELECT appointment_id FROM allocation
    WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s AND state = 'confirmed'
        AND begins_at > %(begin)s - interval '7 days' AND begins_at < %(end)s
    UNION
    SELECT appointment_id FROM allocation
    WHERE tenant_id = %(tenant_id)s AND resource_id = %(resource_id)s
        AND state = 'released' AND appointment_id IS NOT NULL
        AND begins_at > %(begin)s - interval '7 days' AND begins_at < %(end)s
) AS taken CROSS JOIN LATERAL (
    SELECT * FROM appointment
    WHERE tenant_id = %(tenant_id)s AND appointment_id = taken.appointment_id
        AND starts_at >= %(begin)s AND starts_at < %(end)s AND %(resource_id)s = ANY(resource_ids)
    OFFSET 0
) AS a
ORDER BY a.starts_at, a.appointment_id
