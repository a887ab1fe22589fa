-- billing's statements; see servicekit.queries. Row level security limits each to the transaction's tenant, or, for
-- workers, shows account and task of all.

-- name: account
SELECT customer_id, customer_adopted, customer_name, customer_email, product_id, price_id, subscription_id,
       has_payment_method, payment_url
FROM account WHERE tenant_id = %(tenant_id)s

-- name: insert_account
INSERT INTO account (tenant_id, customer_id, customer_adopted) VALUES (%(tenant_id)s, %(customer_id)s, %(adopted)s)
ON CONFLICT (tenant_id) DO NOTHING

-- name: release_customer
UPDATE account SET released = true WHERE tenant_id = %(tenant_id)s

-- name: replace_customer
UPDATE account SET customer_id = %(customer_id)s, customer_name = '', customer_email = '', has_payment_method = false,
    payment_url = NULL
WHERE tenant_id = %(tenant_id)s AND customer_id = %(gone)s

-- name: begin_linking
INSERT INTO linking (tenant_id) VALUES (%(tenant_id)s) ON CONFLICT DO NOTHING

-- name: end_linking
DELETE FROM linking WHERE tenant_id = %(tenant_id)s

-- name: linking
SELECT FROM linking WHERE tenant_id = %(tenant_id)s

-- name: touched
-- Whether Stripe has, or may have, or is just being asked for, something of the tenant's.
SELECT EXISTS (SELECT FROM account WHERE tenant_id = %(tenant_id)s)
    OR EXISTS (SELECT FROM linking WHERE tenant_id = %(tenant_id)s)
    OR EXISTS (SELECT FROM task WHERE tenant_id = %(tenant_id)s) AS touched

-- name: describe_customer
UPDATE account SET customer_name = %(name)s, customer_email = %(email)s WHERE tenant_id = %(tenant_id)s

-- name: attempt
-- Another one once the last failure is old enough for all of Stripe to know what came of it.
SELECT attempt + (failed_at < now() - interval '90 seconds')::int AS attempt FROM creation
WHERE tenant_id = %(tenant_id)s

-- name: attempt_failed
INSERT INTO creation AS c (tenant_id, attempt) VALUES (%(tenant_id)s, %(attempt)s)
ON CONFLICT (tenant_id) DO UPDATE SET attempt = excluded.attempt, failed_at = now()
WHERE c.attempt < excluded.attempt OR c.attempt = excluded.attempt AND NOT %(replayed)s

-- name: link_subscription
UPDATE account SET subscription_id = %(subscription_id)s WHERE tenant_id = %(tenant_id)s

-- name: update_account
UPDATE account SET product_id = %(product_id)s, price_id = %(price_id)s, subscription_id = %(subscription_id)s,
    has_payment_method = %(has_payment_method)s, payment_url = %(payment_url)s, synced_at = now()
WHERE tenant_id = %(tenant_id)s

-- name: subscription
SELECT subscription_id, status, plan, price_id, current_period_end, trial_end, cancel_at_period_end
FROM subscription WHERE tenant_id = %(tenant_id)s AND subscription_id = %(subscription_id)s

-- name: upsert_subscription
INSERT INTO subscription (tenant_id, subscription_id, status, plan, price_id, current_period_end, trial_end,
    cancel_at_period_end)
VALUES (%(tenant_id)s, %(subscription_id)s, %(status)s, %(plan)s, %(price_id)s, %(current_period_end)s,
    %(trial_end)s, %(cancel_at_period_end)s)
ON CONFLICT (tenant_id, subscription_id) DO UPDATE SET status = excluded.status, plan = excluded.plan,
    price_id = excluded.price_id, current_period_end = excluded.current_period_end,
    trial_end = excluded.trial_end, cancel_at_period_end = excluded.cancel_at_period_end, updated_at = now()

-- name: upsert_invoice
INSERT INTO invoice (tenant_id, invoice_id, created_at, number, status, currency, total, amount_due, amount_paid,
    period_start, period_end, hosted_invoice_url, invoice_pdf)
VALUES (%(tenant_id)s, %(invoice_id)s, %(created_at)s, %(number)s, %(status)s, %(currency)s, %(total)s,
    %(amount_due)s, %(amount_paid)s, %(period_start)s, %(period_end)s, %(hosted_invoice_url)s, %(invoice_pdf)s)
ON CONFLICT (tenant_id, invoice_id) DO UPDATE SET number = excluded.number, status = excluded.status,
    total = excluded.total, amount_due = excluded.amount_due, amount_paid = excluded.amount_paid,
    period_start = excluded.period_start, period_end = excluded.period_end,
    hosted_invoice_url = excluded.hosted_invoice_url, invoice_pdf = excluded.invoice_pdf

-- name: invoices
-- Newest first.
SELECT invoice_id, created_at, number, status, currency, total, amount_due, amount_paid, period_start, period_end,
       hosted_invoice_url, invoice_pdf
FROM invoice
WHERE tenant_id = %(tenant_id)s
  AND (%(before)s::timestamptz IS NULL OR (created_at, invoice_id) < (%(before)s, %(before_id)s))
ORDER BY created_at DESC, invoice_id DESC LIMIT %(limit)s

-- name: insert_checkout
INSERT INTO checkout_session (tenant_id, session_id, mode, url, expires_at)
VALUES (%(tenant_id)s, %(session_id)s, %(mode)s, %(url)s, %(expires_at)s) ON CONFLICT DO NOTHING

-- name: checkouts
SELECT session_id, mode, state, url, expires_at FROM checkout_session WHERE tenant_id = %(tenant_id)s
ORDER BY expires_at DESC LIMIT 50

-- name: close_checkout
UPDATE checkout_session SET state = %(state)s WHERE tenant_id = %(tenant_id)s AND session_id = %(session_id)s

-- name: last_status
SELECT status FROM tenant_status WHERE tenant_id = %(tenant_id)s

-- name: tenant_record
-- Whatever state the tenant is in: work goes on for one that is being deleted.
SELECT record FROM tenants WHERE tenant_id = %(tenant_id)s AND state <> 'deleted'

-- name: want
INSERT INTO task (tenant_id, wanted) VALUES (%(tenant_id)s, %(wanted)s)
ON CONFLICT (tenant_id) DO UPDATE SET wanted = excluded.wanted, version = task.version + 1, attempts = 0,
    due_at = now()

-- name: due_tasks
SELECT tenant_id, wanted, version, attempts FROM task WHERE due_at <= now() ORDER BY due_at LIMIT %(limit)s

-- name: finish_task
DELETE FROM task WHERE tenant_id = %(tenant_id)s AND version = %(version)s

-- name: postpone_task
UPDATE task SET attempts = attempts + 1, due_at = now() + make_interval(secs => %(seconds)s)
WHERE tenant_id = %(tenant_id)s AND version = %(version)s

-- name: insert_event
INSERT INTO stripe_event (event_id, type, customer_id) VALUES (%(event_id)s, %(type)s, %(customer_id)s)
ON CONFLICT DO NOTHING

-- name: want_for_events
-- Every served tenant that unhandled events are about gets a task; the events are handled with that. An event
-- about a customer that is not stored yet needs none: whoever is making the customer fetches all of it afterwards.
WITH heard AS (
    UPDATE stripe_event SET handled_at = now()
    WHERE event_id IN (SELECT event_id FROM stripe_event WHERE handled_at IS NULL ORDER BY received_at LIMIT 500)
    RETURNING customer_id, type
)
INSERT INTO task (tenant_id, wanted)
SELECT DISTINCT a.tenant_id, 'reconcile' FROM heard h
JOIN account a ON a.customer_id = h.customer_id
JOIN tenants t ON t.tenant_id = a.tenant_id AND t.state IN ('active', 'suspended')
WHERE h.type ~ '^(customer|invoice|checkout)[.]'
ON CONFLICT (tenant_id) DO UPDATE SET version = task.version + 1, due_at = least(task.due_at, now())

-- name: want_stale
-- The net under lost webhooks: accounts that were not looked at for a while. Those that have a task are passed over: as
-- long as they cannot be billed they are the oldest, and nobody else would come up.
INSERT INTO task (tenant_id, wanted)
SELECT a.tenant_id, 'reconcile' FROM account a
JOIN tenants t ON t.tenant_id = a.tenant_id AND t.state IN ('active', 'suspended')
WHERE a.synced_at < now() - make_interval(secs => %(seconds)s)
  AND NOT EXISTS (SELECT FROM task k WHERE k.tenant_id = a.tenant_id)
ORDER BY a.synced_at LIMIT 50
ON CONFLICT (tenant_id) DO NOTHING

-- name: forget_events
-- Some at a time: after an outage, or the first time, there may be very many.
DELETE FROM stripe_event WHERE event_id IN (
    SELECT event_id FROM stripe_event WHERE handled_at < now() - interval '60 days'
    ORDER BY handled_at LIMIT %(limit)s)

-- name: count_appointment
INSERT INTO appointment_count AS c (tenant_id, month, kind, count) VALUES (%(tenant_id)s, %(month)s, %(kind)s, 1)
ON CONFLICT (tenant_id, month, kind) DO UPDATE SET count = c.count + 1

-- name: appointment_counts
SELECT kind, count FROM appointment_count WHERE tenant_id = %(tenant_id)s AND month = %(month)s
