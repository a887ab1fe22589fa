-- The statements of notification.rules_store; see servicekit.queries. Row level security limits each to the
-- transaction's tenant.

-- name: lock_rules
-- One change of a business's rules at a time. Not by its rows: one that is not there yet cannot be locked.
SELECT pg_advisory_xact_lock(hashtextextended('message-rules/' || %(tenant_id)s::text, 0))

-- name: wording
SELECT version, subject, lead, body AS text FROM wording
WHERE tenant_id = %(tenant_id)s AND kind = %(kind)s AND channel = %(channel)s AND language = %(language)s

-- name: put_wording
-- Only over the version that the edit starts from; 0 where there is none.
INSERT INTO wording AS w (tenant_id, kind, channel, language, version, subject, lead, body)
VALUES (%(tenant_id)s, %(kind)s, %(channel)s, %(language)s, 1, %(subject)s, %(lead)s, %(text)s)
ON CONFLICT (tenant_id, kind, channel, language) DO UPDATE SET version = w.version + 1,
    subject = excluded.subject, lead = excluded.lead, body = excluded.body
WHERE %(expected)s::int IS NULL OR w.version = %(expected)s
RETURNING version

-- name: quiet_hours
SELECT version, begins, ends, channels, notices FROM quiet_hours WHERE tenant_id = %(tenant_id)s

-- name: lock_quiet_hours
-- Shared, and before any message, as a change of them locks both in this order: it then finds all messages that the
-- old ones hold, and releases them. While there are none, nothing is held.
SELECT version, begins, ends, channels, notices FROM quiet_hours WHERE tenant_id = %(tenant_id)s FOR SHARE

-- name: put_quiet_hours
-- As put_wording.
INSERT INTO quiet_hours AS q (tenant_id, version, begins, ends, channels, notices)
VALUES (%(tenant_id)s, 1, %(begins)s, %(ends)s, %(channels)s, %(notices)s)
ON CONFLICT (tenant_id) DO UPDATE SET version = q.version + 1, begins = excluded.begins, ends = excluded.ends,
    channels = excluded.channels, notices = excluded.notices
WHERE %(expected)s::int IS NULL OR q.version = %(expected)s
RETURNING version

-- name: release_held
-- Messages that wait for the end of quiet hours, those of unknown fate too, are due; not those that a sender has
-- claimed. In the order of erase_recipients, or the two could deadlock.
UPDATE message SET next_attempt_at = %(now)s, held_until = NULL
WHERE (tenant_id, message_id) IN (
    SELECT tenant_id, message_id FROM message
    WHERE tenant_id = %(tenant_id)s AND status IN ('queued', 'sending') AND held_until = next_attempt_at
    ORDER BY message_id FOR UPDATE)

-- name: suppressed_for
-- The weightiest reason first: that nobody is there, then what somebody has asked for.
SELECT reason, scope FROM suppression
WHERE tenant_id = %(tenant_id)s AND channel = %(channel)s AND digest = ANY(%(digests)s)
ORDER BY array_position(ARRAY['bounced', 'complaint', 'unsubscribed', 'by-hand'], reason)

-- name: lock_scope
SELECT digest, scope FROM suppression
WHERE tenant_id = %(tenant_id)s AND channel = %(channel)s AND digest = ANY(%(digests)s) AND reason = %(reason)s
ORDER BY array_position(%(digests)s::bytea[], digest) LIMIT 1 FOR UPDATE

-- name: put_suppression
-- One for each reason; a repeat sets its scope, and brings back a hint that was erased with its person.
INSERT INTO suppression AS s (tenant_id, suppression_id, channel, digest, reason, scope, customer_id, hint, created_at)
VALUES (%(tenant_id)s, %(suppression_id)s, %(channel)s, %(digest)s, %(reason)s, %(scope)s, %(customer_id)s, %(hint)s,
    %(now)s)
ON CONFLICT ON CONSTRAINT suppression_reason DO UPDATE SET scope = excluded.scope,
    hint = coalesce(excluded.hint, s.hint), customer_id = coalesce(excluded.customer_id, s.customer_id)
RETURNING suppression_id, channel, reason, scope, hint, created_at

-- name: suppressions
-- The newest first.
SELECT suppression_id, channel, reason, scope, hint, created_at FROM suppression
WHERE tenant_id = %(tenant_id)s
  AND (%(after)s::uuid IS NULL OR suppression_id < %(after)s)
  AND (%(channel)s::text IS NULL OR channel = %(channel)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
ORDER BY suppression_id DESC LIMIT %(limit)s

-- name: delete_suppression
DELETE FROM suppression WHERE tenant_id = %(tenant_id)s AND suppression_id = %(suppression_id)s
RETURNING suppression_id, channel, reason, scope, hint, created_at

-- name: resubscribe
DELETE FROM suppression WHERE tenant_id = %(tenant_id)s AND channel = %(channel)s AND digest = ANY(%(digests)s)
  AND reason = 'unsubscribed'
RETURNING suppression_id, channel, reason, scope, hint, created_at

-- name: erase_hints
-- The addresses stay suppressed; the entries no longer show whom they are about.
UPDATE suppression SET hint = NULL, customer_id = NULL
WHERE tenant_id = %(tenant_id)s AND (customer_id = %(customer_id)s OR digest = ANY(%(digests)s))
