-- Two kinds of tables. Users, password resets, sign-ups, attempts and signing keys are the platform's: one person may
-- work at several businesses. Everything that has a tenant_id is one business's, under row level security.
--
-- Signing in happens before the business is known. For that a transaction may name a user, by `app.user_id`, and then
-- sees that user's own memberships and sessions, whichever business they are in, and may end the sessions: no more.
-- It is set only once the user has been proven: by a password, a link from a mail, or an access token
-- (auth.store.act_as).
CREATE FUNCTION app_user() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('app.user_id', true), '')::uuid $$;

-- A person exists here once they have accepted an invitation, so every row has a password.
CREATE TABLE users (
    user_id uuid PRIMARY KEY,
    email text NOT NULL,
    name text NOT NULL,
    password_hash text NOT NULL,
    password_set_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX users_email ON users (lower(email));

CREATE TABLE membership (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL CHECK (role IN ('owner', 'staff', 'admin')),
    joined_at timestamptz NOT NULL,
    signed_in_at timestamptz,
    PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT membership_user FOREIGN KEY (user_id) REFERENCES users
);
CREATE INDEX membership_by_user ON membership (user_id);
CALL isolate_tenant('membership', worker => true);
CREATE POLICY own ON membership FOR SELECT USING (user_id = app_user());

-- invited_by is null for the owner that the Tenant object names. expires_at is the last link's end.
CREATE TABLE invitation (
    tenant_id uuid NOT NULL,
    invitation_id uuid NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('owner', 'staff')),
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'accepted', 'withdrawn')),
    invited_by uuid,
    created_at timestamptz NOT NULL,
    sent_at timestamptz,
    expires_at timestamptz,
    refused text,
    PRIMARY KEY (tenant_id, invitation_id)
);
CREATE UNIQUE INDEX invitation_pending ON invitation (tenant_id, lower(email)) WHERE state = 'pending';
CREATE INDEX invitation_by_email ON invitation (lower(email)) WHERE state = 'pending';
CALL isolate_tenant('invitation', worker => true);

-- The links that were mailed, each by the SHA-256 of its token. One is made for each attempt to send, so that no
-- token has to be kept for a second attempt; a link that did arrive before a crash is as good as the one after it.
CREATE TABLE invitation_link (
    tenant_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    invitation_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, token_hash),
    CONSTRAINT invitation_link_invitation FOREIGN KEY (tenant_id, invitation_id) REFERENCES invitation
        ON DELETE CASCADE
);
CREATE INDEX invitation_link_by_invitation ON invitation_link (tenant_id, invitation_id);
CALL isolate_tenant('invitation_link', worker => true);

CREATE TABLE password_reset (
    token_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT password_reset_user FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE
);
CREATE INDEX password_reset_by_user ON password_reset (user_id);

-- A session is one sign-in of one user at one business, and the family of its refresh tokens.
CREATE TABLE session (
    tenant_id uuid NOT NULL,
    session_id uuid NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_because text CHECK (ended_because IN ('signed-out', 'token-reused', 'password-set')),
    PRIMARY KEY (tenant_id, session_id),
    CONSTRAINT session_membership FOREIGN KEY (tenant_id, user_id) REFERENCES membership ON DELETE CASCADE
);
CREATE INDEX session_by_user ON session (user_id);
CREATE INDEX session_expires_at ON session (expires_at);
CALL isolate_tenant('session', worker => true);
CREATE POLICY own ON session FOR SELECT USING (user_id = app_user());
CREATE POLICY own_to_end ON session FOR UPDATE USING (user_id = app_user());

-- Used tokens stay until they would have expired: presenting one again gives the theft away.
CREATE TABLE refresh_token (
    tenant_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    session_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (tenant_id, token_hash),
    CONSTRAINT refresh_token_session FOREIGN KEY (tenant_id, session_id) REFERENCES session ON DELETE CASCADE
);
CREATE INDEX refresh_token_by_session ON refresh_token (tenant_id, session_id);
CREATE INDEX refresh_token_expires_at ON refresh_token (expires_at);
CALL isolate_tenant('refresh_token', worker => true);

CREATE TABLE signup (
    signup_id uuid PRIMARY KEY,
    state text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'provisioned', 'failed')),
    message text NOT NULL,
    slug text NOT NULL,
    owner_email text NOT NULL,
    business_id uuid,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX signup_slug ON signup (slug) WHERE state = 'requested';
CREATE INDEX signup_changed_at ON signup (changed_at);

-- Mail to be sent: what for, and when next. Neither text nor token stands here. A password reset belongs to no
-- business and has the nil UUID as its tenant; its address is what was typed, looked up only when it is its turn.
CREATE TABLE mail (
    tenant_id uuid NOT NULL,
    mail_id uuid NOT NULL,
    invitation_id uuid,
    reset_email text,
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, mail_id),
    CONSTRAINT mail_of_one_kind CHECK ((invitation_id IS NULL) <> (reset_email IS NULL)),
    CONSTRAINT mail_invitation FOREIGN KEY (tenant_id, invitation_id) REFERENCES invitation ON DELETE CASCADE
);
CREATE INDEX mail_due_at ON mail (due_at);
CREATE UNIQUE INDEX mail_of_invitation ON mail (tenant_id, invitation_id);
CALL isolate_tenant('mail', worker => true);

-- Tries that count against a limit, by a bucket such as a hashed account or a client's network.
CREATE TABLE attempt (
    bucket text PRIMARY KEY,
    count integer NOT NULL,
    window_ends_at timestamptz NOT NULL
);
CREATE INDEX attempt_window_ends_at ON attempt (window_ends_at);

-- sealed is the Ed25519 private key under AES-256-GCM (nonce first, kid as associated data).
CREATE TABLE signing_key (
    kid text PRIMARY KEY,
    sealed bytea NOT NULL,
    signs_from timestamptz NOT NULL
);
