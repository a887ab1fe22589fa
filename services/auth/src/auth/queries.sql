-- auth's statements; see servicekit.queries. Row level security limits those on tenant tables to the transaction's
-- tenant, or to the user that store.act_as named.

-- name: act_as
SELECT set_config('app.user_id', %(user_id)s, true)

-- name: user_by_email
SELECT user_id, email, name, password_hash, password_set_at FROM users WHERE lower(email) = lower(%(email)s)

-- name: user_by_id
SELECT user_id, email, name, password_hash, password_set_at FROM users WHERE user_id = %(user_id)s

-- name: lock_user
-- Not FOR UPDATE, which would keep memberships waiting that refer to the row.
SELECT user_id, email, name, password_hash, password_set_at FROM users WHERE user_id = %(user_id)s FOR NO KEY UPDATE

-- name: save_user
-- Somebody accepted an invitation: they are new, or were known by another business and choose a new password.
INSERT INTO users (user_id, email, name, password_hash, password_set_at)
VALUES (%(user_id)s, %(email)s, %(name)s, %(password_hash)s, %(password_set_at)s)
ON CONFLICT (lower(email)) DO UPDATE SET password_hash = excluded.password_hash,
    password_set_at = excluded.password_set_at
RETURNING user_id, email, name, password_hash, password_set_at

-- name: set_password
UPDATE users SET password_hash = %(password_hash)s, password_set_at = %(now)s WHERE user_id = %(user_id)s

-- name: rehash_password
-- The same password under newer parameters, unless another was set meanwhile.
UPDATE users SET password_hash = %(fresh)s WHERE user_id = %(user_id)s AND password_hash = %(stale)s

-- name: delete_users_of_no_business
DELETE FROM users u WHERE user_id = ANY(%(user_ids)s)
    AND NOT EXISTS (SELECT FROM membership m WHERE m.user_id = u.user_id)

-- name: drop_users_of_no_business
-- Among the next users by id, behind `after`. Nothing but a look at each tells who has no membership, so that all of
-- them at once would take the longer the more there are. OFFSET has each looked up by the index: else the planner would
-- read all memberships. Answers the last who was looked at, or null behind all.
WITH looked_at AS (
    SELECT user_id FROM users WHERE %(after)s::uuid IS NULL OR user_id > %(after)s ORDER BY user_id LIMIT %(limit)s
), dropped AS (
    DELETE FROM users WHERE user_id IN (
        SELECT l.user_id FROM looked_at l
        WHERE NOT EXISTS (SELECT FROM membership m WHERE m.user_id = l.user_id OFFSET 0))
    RETURNING user_id
)
SELECT (SELECT count(*)::int FROM dropped) AS number,
    (SELECT user_id FROM looked_at ORDER BY user_id OFFSET %(limit)s - 1) AS last

-- name: memberships
-- Of the user that act_as named, the one last signed in to first.
SELECT m.tenant_id, t.slug, t.record->>'display_name' AS display_name, m.role, t.state = 'suspended' AS suspended
FROM membership m JOIN tenants t ON t.tenant_id = m.tenant_id
WHERE m.user_id = %(user_id)s AND t.state IN ('active', 'suspended')
ORDER BY m.signed_in_at DESC NULLS LAST, m.joined_at, m.tenant_id

-- name: membership_exists
SELECT 1 AS found FROM membership m JOIN users u ON u.user_id = m.user_id
WHERE m.tenant_id = %(tenant_id)s AND lower(u.email) = lower(%(email)s)

-- name: member_page
-- Without the platform's own people, as below.
SELECT m.user_id, u.email, u.name, m.role, m.joined_at, m.signed_in_at
FROM membership m JOIN users u ON u.user_id = m.user_id
WHERE m.tenant_id = %(tenant_id)s AND m.role IN ('owner', 'staff')
    AND (%(after)s::uuid IS NULL OR m.user_id > %(after)s)
ORDER BY m.user_id LIMIT %(limit)s

-- name: lock_member_shared
SELECT m.user_id, u.email, u.name, m.role, m.joined_at, m.signed_in_at
FROM membership m JOIN users u ON u.user_id = m.user_id
WHERE m.tenant_id = %(tenant_id)s AND m.user_id = %(user_id)s AND m.role IN ('owner', 'staff') FOR SHARE OF m

-- name: lock_owners
SELECT user_id FROM membership WHERE tenant_id = %(tenant_id)s AND role = 'owner' ORDER BY user_id FOR UPDATE

-- name: set_role
UPDATE membership SET role = %(role)s WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s

-- name: delete_membership
DELETE FROM membership WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s

-- name: save_membership
-- Who is invited again keeps the higher role.
INSERT INTO membership AS m (tenant_id, user_id, role, joined_at)
VALUES (%(tenant_id)s, %(user_id)s, %(role)s, %(now)s)
ON CONFLICT (tenant_id, user_id) DO UPDATE SET role = excluded.role WHERE m.role = 'staff'

-- name: touch_membership
UPDATE membership SET signed_in_at = %(now)s WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s

-- name: insert_session
INSERT INTO session (tenant_id, session_id, user_id, family_id, created_at, expires_at)
VALUES (%(tenant_id)s, %(session_id)s, %(user_id)s, %(family_id)s, %(now)s, %(expires_at)s)

-- name: session
SELECT session_id, tenant_id, user_id, coalesce(family_id, session_id) AS family_id, expires_at, ended_at,
    generation, refreshed_at
FROM session WHERE session_id = %(session_id)s

-- name: lock_session
SELECT session_id, tenant_id, user_id, coalesce(family_id, session_id) AS family_id, expires_at, ended_at,
    generation, refreshed_at
FROM session WHERE tenant_id = %(tenant_id)s AND session_id = %(session_id)s FOR UPDATE

-- name: session_refreshed
UPDATE session SET generation = %(generation)s, refreshed_at = %(now)s
WHERE tenant_id = %(tenant_id)s AND session_id = %(session_id)s

-- name: end_family
UPDATE session SET ended_at = %(now)s, ended_because = %(because)s
WHERE user_id = %(user_id)s AND coalesce(family_id, session_id) = %(family_id)s AND ended_at IS NULL

-- name: end_sessions
UPDATE session SET ended_at = %(now)s, ended_because = %(because)s
WHERE user_id = %(user_id)s AND ended_at IS NULL

-- name: insert_refresh_token
INSERT INTO refresh_token (tenant_id, token_hash, session_id, generation, expires_at)
VALUES (%(tenant_id)s, %(token_hash)s, %(session_id)s, %(generation)s, %(expires_at)s)

-- name: refresh_token
SELECT session_id, expires_at, used_at, generation FROM refresh_token
WHERE tenant_id = %(tenant_id)s AND token_hash = %(token_hash)s

-- name: use_refresh_token
UPDATE refresh_token SET used_at = %(now)s, generation = %(generation)s
WHERE tenant_id = %(tenant_id)s AND token_hash = %(token_hash)s

-- name: insert_invitation
INSERT INTO invitation (tenant_id, invitation_id, email, name, role, invited_by, created_at)
VALUES (%(tenant_id)s, %(invitation_id)s, %(email)s, %(name)s, %(role)s, %(invited_by)s, %(now)s)
RETURNING tenant_id, invitation_id, email, name, role, state, invited_by, created_at, sent_at, expires_at, refused

-- name: lock_invitation
SELECT tenant_id, invitation_id, email, name, role, state, invited_by, created_at, sent_at, expires_at, refused
FROM invitation WHERE tenant_id = %(tenant_id)s AND invitation_id = %(invitation_id)s FOR UPDATE

-- name: lock_owner_invitation
-- The last one for the owner that the Tenant object names.
SELECT tenant_id, invitation_id, email, name, role, state, invited_by, created_at, sent_at, expires_at, refused
FROM invitation WHERE tenant_id = %(tenant_id)s AND invited_by IS NULL
ORDER BY invitation_id DESC LIMIT 1 FOR UPDATE

-- name: invitation_page
SELECT tenant_id, invitation_id, email, name, role, state, invited_by, created_at, sent_at, expires_at, refused
FROM invitation
WHERE tenant_id = %(tenant_id)s AND (%(after)s::uuid IS NULL OR invitation_id > %(after)s)
ORDER BY invitation_id LIMIT %(limit)s

-- name: withdraw_pending
UPDATE invitation SET state = 'withdrawn'
WHERE tenant_id = %(tenant_id)s AND lower(email) = lower(%(email)s) AND state = 'pending'
RETURNING invitation_id

-- name: set_invitation_state
UPDATE invitation SET state = %(state)s WHERE tenant_id = %(tenant_id)s AND invitation_id = %(invitation_id)s

-- name: mark_invitation_sent
UPDATE invitation SET sent_at = %(now)s, refused = NULL
WHERE tenant_id = %(tenant_id)s AND invitation_id = %(invitation_id)s

-- name: mark_invitation_refused
UPDATE invitation SET refused = %(refused)s
WHERE tenant_id = %(tenant_id)s AND invitation_id = %(invitation_id)s

-- name: pending_invitations_of
-- Across tenants, for a worker: the invitations of one address.
SELECT i.tenant_id, i.invitation_id FROM invitation i JOIN tenants t ON t.tenant_id = i.tenant_id
WHERE lower(i.email) = lower(%(email)s) AND i.state = 'pending' AND t.state IN ('active', 'suspended')

-- name: insert_invitation_link
WITH extended AS (
    UPDATE invitation SET expires_at = %(expires_at)s
    WHERE tenant_id = %(tenant_id)s AND invitation_id = %(invitation_id)s
)
INSERT INTO invitation_link (tenant_id, token_hash, invitation_id, expires_at)
VALUES (%(tenant_id)s, %(token_hash)s, %(invitation_id)s, %(expires_at)s)

-- name: invitation_of_link
SELECT invitation_id FROM invitation_link
WHERE tenant_id = %(tenant_id)s AND token_hash = %(token_hash)s AND expires_at > %(now)s

-- name: delete_invitation_links
DELETE FROM invitation_link WHERE tenant_id = %(tenant_id)s AND invitation_id = %(invitation_id)s

-- name: insert_password_reset
INSERT INTO password_reset (token_hash, user_id, expires_at) VALUES (%(token_hash)s, %(user_id)s, %(expires_at)s)

-- name: password_reset
SELECT user_id FROM password_reset WHERE token_hash = %(token_hash)s AND expires_at > %(now)s

-- name: delete_password_resets
DELETE FROM password_reset WHERE user_id = %(user_id)s

-- name: insert_signup
INSERT INTO signup (signup_id, message, slug, owner_email, created_at, changed_at)
VALUES (%(signup_id)s, %(message)s, %(slug)s, %(owner_email)s, %(now)s, %(now)s)

-- name: signup
SELECT signup_id, state, message, slug, owner_email, business_id, created_at FROM signup
WHERE signup_id = %(signup_id)s

-- name: slug_taken
SELECT 1 AS found FROM tenants WHERE slug = %(slug)s AND state <> 'deleted' LIMIT 1

-- name: signups_of_slug
-- Those that a new Tenant settles. A sign-up that was given up can still succeed.
SELECT signup_id, state, message, slug, owner_email, business_id, created_at FROM signup
WHERE slug = %(slug)s AND state <> 'provisioned' FOR UPDATE

-- name: stale_signups
SELECT signup_id, state, message, slug, owner_email, business_id, created_at FROM signup
WHERE state = 'requested' AND created_at < %(before)s LIMIT 200 FOR UPDATE SKIP LOCKED

-- name: settle_signup
UPDATE signup SET state = %(state)s, message = %(message)s, business_id = %(business_id)s, changed_at = %(now)s
WHERE signup_id = %(signup_id)s

-- name: erase_signups
DELETE FROM signup WHERE business_id = %(tenant_id)s

-- name: queue_mail
-- One at a time for an invitation; asking again while it waits brings it forward.
INSERT INTO mail (tenant_id, mail_id, invitation_id, reset_email, due_at, created_at)
VALUES (%(tenant_id)s, %(mail_id)s, %(invitation_id)s, %(reset_email)s, %(now)s, %(now)s)
ON CONFLICT (tenant_id, invitation_id) DO UPDATE SET due_at = least(mail.due_at, excluded.due_at)

-- name: claim_mail
UPDATE mail m SET attempts = attempts + 1, due_at = %(lease_ends)s
FROM (SELECT tenant_id, mail_id FROM mail WHERE due_at <= %(now)s ORDER BY due_at LIMIT %(limit)s
      FOR UPDATE SKIP LOCKED) AS due
WHERE m.tenant_id = due.tenant_id AND m.mail_id = due.mail_id
RETURNING m.tenant_id, m.mail_id, m.invitation_id, m.reset_email, m.attempts, m.created_at

-- name: delete_mail
DELETE FROM mail WHERE tenant_id = %(tenant_id)s AND mail_id = %(mail_id)s

-- name: delete_mail_of_invitation
DELETE FROM mail WHERE tenant_id = %(tenant_id)s AND invitation_id = %(invitation_id)s

-- name: postpone_mail
UPDATE mail SET due_at = %(due_at)s WHERE tenant_id = %(tenant_id)s AND mail_id = %(mail_id)s

-- name: account_digest
-- Of an address as user_by_email compares it.
SELECT encode(sha256(convert_to(lower(%(email)s), 'UTF8')), 'hex') AS digest

-- name: count_attempt
INSERT INTO attempt AS a (bucket, count, window_ends_at) VALUES (%(bucket)s, 1, %(ends_at)s)
ON CONFLICT (bucket) DO UPDATE SET
    count = CASE WHEN a.window_ends_at <= %(now)s THEN 1 ELSE a.count + 1 END,
    window_ends_at = CASE WHEN a.window_ends_at <= %(now)s THEN excluded.window_ends_at ELSE a.window_ends_at END
RETURNING count, window_ends_at

-- name: forget_attempts
DELETE FROM attempt WHERE bucket = %(bucket)s

-- name: give_back_attempt
UPDATE attempt SET count = greatest(0, count - 1) WHERE bucket = %(bucket)s

-- name: signing_keys
SELECT kid, sealed, signs_from FROM signing_key ORDER BY signs_from

-- name: lock_signing_keys
SELECT pg_advisory_xact_lock(%(key)s)

-- name: insert_signing_key
INSERT INTO signing_key (kid, sealed, signs_from) VALUES (%(kid)s, %(sealed)s, %(signs_from)s)

-- name: delete_signing_keys
DELETE FROM signing_key WHERE kid = ANY(%(kids)s)

-- name: drop_ended_sessions
DELETE FROM session WHERE (tenant_id, session_id) IN (
    SELECT tenant_id, session_id FROM session WHERE ended_at < %(before)s LIMIT %(limit)s FOR UPDATE SKIP LOCKED)

-- name: drop_expired_sessions
DELETE FROM session WHERE (tenant_id, session_id) IN (
    SELECT tenant_id, session_id FROM session WHERE expires_at < %(before)s LIMIT %(limit)s FOR UPDATE SKIP LOCKED)

-- name: drop_expired_refresh_tokens
DELETE FROM refresh_token WHERE (tenant_id, token_hash) IN (
    SELECT tenant_id, token_hash FROM refresh_token WHERE expires_at < %(before)s LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)

-- name: drop_expired_links
DELETE FROM invitation_link WHERE (tenant_id, token_hash) IN (
    SELECT tenant_id, token_hash FROM invitation_link WHERE expires_at < %(before)s LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)

-- name: drop_expired_resets
DELETE FROM password_reset WHERE token_hash IN (
    SELECT token_hash FROM password_reset WHERE expires_at < %(before)s LIMIT %(limit)s FOR UPDATE SKIP LOCKED)

-- name: drop_closed_attempts
-- Locked when they are found: a try that is counted meanwhile opens another window, and stays.
DELETE FROM attempt WHERE bucket IN (
    SELECT bucket FROM attempt WHERE window_ends_at < %(before)s LIMIT %(limit)s FOR UPDATE SKIP LOCKED)

-- name: drop_settled_signups
DELETE FROM signup WHERE signup_id IN (
    SELECT signup_id FROM signup WHERE state <> 'requested' AND changed_at < %(before)s LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)
