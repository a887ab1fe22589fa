-- Where a business wants to be told. `events` holds event types, or `*` alone. `failing_since` is the first failed
-- attempt since one last succeeded.
CREATE TABLE webhook_endpoint (
    tenant_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    version integer NOT NULL DEFAULT 1,
    url text NOT NULL,
    events text[] NOT NULL,
    description text NOT NULL,
    disabled_reason text CHECK (disabled_reason IN ('gone', 'failing', 'owner')),
    disabled_at timestamptz,
    failing_since timestamptz,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, endpoint_id),
    CHECK ((disabled_reason IS NULL) = (disabled_at IS NULL))
);
CALL isolate_tenant('webhook_endpoint', worker => true);

-- What signs an endpoint's deliveries, sealed (servicekit.sealing) under its own id. One without `ends_at` is the
-- present one; those that were replaced sign beside it until then.
CREATE TABLE webhook_secret (
    tenant_id uuid NOT NULL,
    secret_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    sealed bytea NOT NULL,
    ends_at timestamptz,
    PRIMARY KEY (tenant_id, secret_id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoint ON DELETE CASCADE
);
CREATE INDEX webhook_secret_by_endpoint ON webhook_secret (tenant_id, endpoint_id);
CREATE UNIQUE INDEX webhook_secret_present ON webhook_secret (tenant_id, endpoint_id) WHERE ends_at IS NULL;
CREATE INDEX webhook_secret_ends_at ON webhook_secret (ends_at) WHERE ends_at IS NOT NULL;
CALL isolate_tenant('webhook_secret', worker => true);

-- One event to one endpoint, once: `webhook_id` is the event's id. `body` is what is signed, byte for byte.
-- next_attempt_at is also the lease: claiming makes it `sending` and puts that ahead. `attempts` counts all of them,
-- `tries` those since it was queued or resent last, by which the schedule goes.
CREATE TABLE webhook_delivery (
    tenant_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    webhook_id text NOT NULL,
    type text NOT NULL,
    body text NOT NULL,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'sending', 'delivered', 'failed')),
    reason text,
    queued_at timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    tries integer NOT NULL DEFAULT 0,
    settled_at timestamptz,
    PRIMARY KEY (tenant_id, delivery_id),
    CONSTRAINT webhook_delivery_once UNIQUE (tenant_id, endpoint_id, webhook_id),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoint ON DELETE CASCADE
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (tenant_id, endpoint_id, next_attempt_at)
    WHERE status IN ('queued', 'sending');
CREATE INDEX webhook_delivery_sending ON webhook_delivery (tenant_id, endpoint_id) WHERE status = 'sending';
CREATE INDEX webhook_delivery_queued ON webhook_delivery (next_attempt_at) WHERE status = 'queued';
CREATE INDEX webhook_delivery_log ON webhook_delivery (tenant_id, endpoint_id, delivery_id);
CREATE INDEX webhook_delivery_settled_at ON webhook_delivery (settled_at) WHERE settled_at IS NOT NULL;
CALL isolate_tenant('webhook_delivery', worker => true);

-- Each attempt, written before it is made: one without `milliseconds` is under way, or its sender has died.
CREATE TABLE webhook_attempt (
    tenant_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    number integer NOT NULL,
    began_at timestamptz NOT NULL,
    milliseconds integer,
    http_status integer,
    error text,
    response text,
    PRIMARY KEY (tenant_id, delivery_id, number),
    FOREIGN KEY (tenant_id, delivery_id) REFERENCES webhook_delivery ON DELETE CASCADE
);
CALL isolate_tenant('webhook_attempt');
