-- A tenant's side at Stripe, one row a tenant in mode Stripe. Ids are stored one by one as the steps of
-- provisioning succeed, so that a crash between two steps is resumed after the last.
CREATE TABLE account (
    tenant_id uuid PRIMARY KEY,
    customer_id text NOT NULL,
    customer_adopted boolean NOT NULL,
    customer_name text NOT NULL DEFAULT '',
    customer_email text NOT NULL DEFAULT '',
    product_id text,
    price_id text,
    subscription_id text,
    has_payment_method boolean NOT NULL DEFAULT false,
    payment_url text,
    synced_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT account_customer UNIQUE (customer_id)
);
CREATE INDEX account_synced_at ON account (synced_at);
CALL isolate_tenant('account', worker => true);

-- Stripe's subscriptions as last fetched, ended ones too.
CREATE TABLE subscription (
    tenant_id uuid NOT NULL,
    subscription_id text NOT NULL,
    status text NOT NULL,
    plan text NOT NULL,
    price_id text,
    current_period_end timestamptz,
    trial_end timestamptz,
    cancel_at_period_end boolean NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, subscription_id)
);
CALL isolate_tenant('subscription');

CREATE TABLE invoice (
    tenant_id uuid NOT NULL,
    invoice_id text NOT NULL,
    created_at timestamptz NOT NULL,
    number text,
    status text NOT NULL,
    currency text NOT NULL,
    total integer NOT NULL,
    amount_due integer NOT NULL,
    amount_paid integer NOT NULL,
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    hosted_invoice_url text,
    invoice_pdf text,
    PRIMARY KEY (tenant_id, invoice_id)
);
CREATE INDEX invoice_by_time ON invoice (tenant_id, created_at DESC, invoice_id DESC);
CALL isolate_tenant('invoice');

-- Checkout sessions that were handed out; looked at again until they are complete or expired.
CREATE TABLE checkout_session (
    tenant_id uuid NOT NULL,
    session_id text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('setup', 'subscription')),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'complete', 'expired')),
    url text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, session_id)
);
CALL isolate_tenant('checkout_session');

-- What is to be done at Stripe for a tenant; the row goes when it is done. version rises with each wish, so that
-- one that came while the work went on is not lost.
CREATE TABLE task (
    tenant_id uuid PRIMARY KEY,
    wanted text NOT NULL CHECK (wanted IN ('reconcile', 'remove')),
    version bigint NOT NULL DEFAULT 1,
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX task_due_at ON task (due_at);
CALL isolate_tenant('task', worker => true);

-- Stripe's webhook events by id: the inbox. They name a customer, not a tenant, and are ids only.
CREATE TABLE stripe_event (
    event_id text PRIMARY KEY,
    type text NOT NULL,
    customer_id text,
    received_at timestamptz NOT NULL DEFAULT now(),
    handled_at timestamptz
);
CREATE INDEX stripe_event_unhandled ON stripe_event (received_at) WHERE handled_at IS NULL;

-- What happened to appointments, counted by calendar month in UTC.
CREATE TABLE appointment_count (
    tenant_id uuid NOT NULL,
    month text NOT NULL CHECK (month ~ '^[0-9]{4}-[0-9]{2}$'),
    kind text NOT NULL,
    count integer NOT NULL,
    PRIMARY KEY (tenant_id, month, kind)
);
CALL isolate_tenant('appointment_count');
