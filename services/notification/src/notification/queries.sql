-- notification's statements; see servicekit.queries. Row level security limits each to the transaction's tenant,
-- but for `claim` and `first_due`, which are a worker's.

-- name: put_appointment
-- An event without a status leaves it as it was; an appointment whose booking has not come counts as confirmed. Only
-- bookings and offers tell the version of the customer.
INSERT INTO appointment AS a (tenant_id, appointment_id, version, status, service_id, staff_ids, customer_id,
    starts_at, ends_at, timezone, cancelled_by, customer_version)
VALUES (%(tenant_id)s, %(appointment_id)s, %(version)s, coalesce(%(status)s::text, 'confirmed'), %(service_id)s,
    %(staff_ids)s, %(customer_id)s, %(starts_at)s, %(ends_at)s, %(timezone)s, %(cancelled_by)s, %(customer_version)s)
ON CONFLICT (tenant_id, appointment_id) DO UPDATE SET version = excluded.version,
    status = coalesce(%(status)s::text, a.status), service_id = excluded.service_id,
    staff_ids = excluded.staff_ids, customer_id = excluded.customer_id, starts_at = excluded.starts_at,
    ends_at = excluded.ends_at, timezone = excluded.timezone, cancelled_by = excluded.cancelled_by,
    customer_version = coalesce(excluded.customer_version, a.customer_version)
WHERE a.version < excluded.version

-- name: appointment
SELECT appointment_id, version, status, service_id, staff_ids, customer_id, starts_at, ends_at, timezone, cancelled_by,
    customer_version
FROM appointment WHERE tenant_id = %(tenant_id)s AND appointment_id = %(appointment_id)s

-- name: put_customer
-- An erased person stays erased: an id is never given again.
INSERT INTO customer AS c (tenant_id, customer_id, version, name, email, phone, locale, consent_email, consent_sms)
VALUES (%(tenant_id)s, %(customer_id)s, %(version)s, %(name)s, %(email)s, %(phone)s, %(locale)s,
    %(consent_email)s, %(consent_sms)s)
ON CONFLICT (tenant_id, customer_id) DO UPDATE SET version = excluded.version, name = excluded.name,
    email = excluded.email, phone = excluded.phone, locale = excluded.locale,
    consent_email = excluded.consent_email, consent_sms = excluded.consent_sms
WHERE c.version < excluded.version AND NOT c.erased

-- name: erase_customer
INSERT INTO customer AS c (tenant_id, customer_id, version, erased, name, locale, consent_email, consent_sms)
VALUES (%(tenant_id)s, %(customer_id)s, 0, true, '', '', false, false)
ON CONFLICT (tenant_id, customer_id) DO UPDATE SET erased = true, name = '', email = NULL, phone = NULL,
    locale = '', consent_email = false, consent_sms = false

-- name: customer_to_erase
SELECT email, phone FROM customer
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s FOR UPDATE

-- name: erase_texts
DELETE FROM mock_sms s USING message m
WHERE s.tenant_id = m.tenant_id AND s.message_id = m.message_id
  AND m.tenant_id = %(tenant_id)s AND m.customer_id = %(customer_id)s

-- name: erase_recipients
-- In the order of release_held.
UPDATE message SET recipient = NULL
WHERE (tenant_id, message_id) IN (
    SELECT tenant_id, message_id FROM message
    WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND recipient IS NOT NULL
    ORDER BY message_id FOR UPDATE)

-- name: lock_customer
-- Shared: an erasure waits for a message being made up, and the next message waits for the erasure.
SELECT customer_id, version, erased, name, email, phone, locale, consent_email, consent_sms
FROM customer WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s FOR SHARE

-- name: put_name
INSERT INTO catalog_name AS n (tenant_id, entity_id, version, name)
VALUES (%(tenant_id)s, %(entity_id)s, %(version)s, %(name)s)
ON CONFLICT (tenant_id, entity_id) DO UPDATE SET version = excluded.version, name = excluded.name
WHERE n.version < excluded.version

-- name: delete_name
DELETE FROM catalog_name WHERE tenant_id = %(tenant_id)s AND entity_id = %(entity_id)s

-- name: names
SELECT entity_id, name FROM catalog_name WHERE tenant_id = %(tenant_id)s AND entity_id = ANY(%(entity_ids)s)

-- name: put_profile
INSERT INTO profile AS p (tenant_id, version, display_name, contact_email, address)
VALUES (%(tenant_id)s, %(version)s, %(display_name)s, %(contact_email)s, %(address)s)
ON CONFLICT (tenant_id) DO UPDATE SET version = excluded.version, display_name = excluded.display_name,
    contact_email = excluded.contact_email, address = excluded.address
WHERE p.version < excluded.version

-- name: delete_profile
DELETE FROM profile WHERE tenant_id = %(tenant_id)s

-- name: profile
SELECT display_name, contact_email, address FROM profile WHERE tenant_id = %(tenant_id)s

-- name: tenant
SELECT record FROM tenants WHERE tenant_id = %(tenant_id)s AND state <> 'deleted'

-- name: queue
INSERT INTO message (tenant_id, message_id, cause, channel, kind, appointment_id, appointment_version, customer_id,
    reminder_id, due_at, starts_at, previous_starts_at, entry_id, queued_at, next_attempt_at, expires_at)
VALUES (%(tenant_id)s, %(message_id)s, %(cause)s, %(channel)s, %(kind)s, %(appointment_id)s,
    %(appointment_version)s, %(customer_id)s, %(reminder_id)s, %(due_at)s, %(starts_at)s,
    %(previous_starts_at)s, %(entry_id)s, %(now)s, %(now)s, %(expires_at)s)
ON CONFLICT ON CONSTRAINT message_cause DO NOTHING

-- name: queue_for_owner
-- About an endpoint that was disabled: one for each time it is.
INSERT INTO message (tenant_id, message_id, cause, channel, kind, endpoint_id, disabled_at, queued_at, next_attempt_at,
    expires_at)
VALUES (%(tenant_id)s, %(message_id)s, %(cause)s, 'email', 'webhook-disabled', %(endpoint_id)s, %(now)s, %(now)s,
    %(now)s, %(expires_at)s)
ON CONFLICT ON CONSTRAINT message_cause DO NOTHING

-- name: claim
-- Not from the beginning, as all that was settled may still be there (docs/adr/0025).
WITH due AS (
    SELECT tenant_id, message_id, next_attempt_at FROM message
    WHERE status IN ('queued', 'sending') AND channel = %(channel)s
      AND next_attempt_at >= %(since)s AND next_attempt_at <= %(now)s
    ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
UPDATE message m SET next_attempt_at = %(lease_ends)s FROM due
WHERE m.tenant_id = due.tenant_id AND m.message_id = due.message_id
RETURNING m.tenant_id, m.message_id, m.customer_id, due.next_attempt_at AS due_at

-- name: first_due
SELECT next_attempt_at FROM message
WHERE status IN ('queued', 'sending') AND channel = %(channel)s AND next_attempt_at <= %(now)s
ORDER BY next_attempt_at LIMIT 1

-- name: lock_claimed
-- Nothing when the lease has been lost to another sender, or the message is settled or erased.
SELECT tenant_id, message_id, channel, kind, appointment_id, appointment_version, customer_id, reminder_id, due_at,
    starts_at, previous_starts_at, entry_id, endpoint_id, disabled_at, status, queued_at, expires_at, attempts,
    counted_at, repeated, repeated_at, settled_at, reason, provider, recipient, segments, held_until
FROM message
WHERE tenant_id = %(tenant_id)s AND message_id = %(message_id)s AND status IN ('queued', 'sending')
  AND next_attempt_at = %(lease_ends)s
FOR UPDATE

-- name: mark_sending
-- `counted_at` is set by the first attempt; a message that no quota counts has none.
UPDATE message SET status = 'sending', attempts = attempts + 1, recipient = %(recipient)s, provider = %(provider)s,
    counted_at = coalesce(counted_at, %(counted_at)s),
    segments = CASE WHEN counted_at IS NULL THEN %(segments)s ELSE segments END,
    repeated = repeated OR status = 'sending', repeated_at = coalesce(repeated_at, %(repeated_at)s), held_until = NULL
WHERE tenant_id = %(tenant_id)s AND message_id = %(message_id)s

-- name: postpone
UPDATE message SET status = %(status)s, next_attempt_at = %(next_attempt_at)s
WHERE tenant_id = %(tenant_id)s AND message_id = %(message_id)s AND status IN ('queued', 'sending')
  AND attempts = %(attempts)s

-- name: hold
UPDATE message SET next_attempt_at = %(until)s, held_until = %(until)s
WHERE tenant_id = %(tenant_id)s AND message_id = %(message_id)s AND status IN ('queued', 'sending')

-- name: settle
-- By the attempt that this is the outcome of, unless a later one has begun.
UPDATE message SET status = %(status)s, reason = %(reason)s, settled_at = %(now)s, held_until = NULL
WHERE tenant_id = %(tenant_id)s AND message_id = %(message_id)s AND status IN ('queued', 'sending')
  AND attempts = %(attempts)s

-- name: drop_queue
-- Of a business that is leaving: nobody is written to any more. In the order of release_held and erase_recipients.
UPDATE message SET status = 'suppressed', reason = 'suspended', settled_at = %(now)s
WHERE (tenant_id, message_id) IN (
    SELECT tenant_id, message_id FROM message WHERE tenant_id = %(tenant_id)s AND status IN ('queued', 'sending')
    ORDER BY message_id LIMIT %(limit)s FOR UPDATE)

-- name: keep_sms
-- Nothing for a person who has been erased meanwhile.
INSERT INTO mock_sms (tenant_id, message_id, body, taken_at)
SELECT m.tenant_id, m.message_id, %(body)s, %(now)s FROM message m
WHERE m.tenant_id = %(tenant_id)s AND m.message_id = %(message_id)s AND m.recipient IS NOT NULL
FOR SHARE
ON CONFLICT (tenant_id, message_id) DO NOTHING

-- name: messages
-- The newest first.
SELECT tenant_id, message_id, channel, kind, appointment_id, appointment_version, customer_id, reminder_id, due_at,
    starts_at, previous_starts_at, entry_id, endpoint_id, disabled_at, status, queued_at, expires_at, attempts,
    counted_at, repeated, repeated_at, settled_at, reason, provider, recipient, segments, held_until
FROM message
WHERE tenant_id = %(tenant_id)s
  AND (%(after)s::uuid IS NULL OR message_id < %(after)s)
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(channel)s::text IS NULL OR channel = %(channel)s)
  AND (%(appointment_id)s::uuid IS NULL OR appointment_id = %(appointment_id)s)
ORDER BY message_id DESC LIMIT %(limit)s

-- name: message
SELECT m.tenant_id, m.message_id, m.channel, m.kind, m.appointment_id, m.appointment_version, m.customer_id,
    m.reminder_id, m.due_at, m.starts_at, m.previous_starts_at, m.entry_id, m.endpoint_id, m.disabled_at, m.status,
    m.queued_at, m.expires_at, m.attempts, m.counted_at, m.repeated, m.repeated_at, m.settled_at, m.reason, m.provider,
    m.recipient, m.segments, m.held_until, s.body
FROM message m LEFT JOIN mock_sms s USING (tenant_id, message_id)
WHERE m.tenant_id = %(tenant_id)s AND m.message_id = %(message_id)s
