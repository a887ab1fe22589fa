-- An appointment as far as its events have come. status, starts_at, ends_at and changed_at are those of `version`,
-- the highest seen. booked_at and confirmed are facts of single events, kept whenever those come: an appointment
-- whose booking has not been heard of yet has no booked_at. No customer, no staff, no service: nothing personal.
CREATE TABLE appointment (
    tenant_id uuid NOT NULL,
    appointment_id uuid NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    status text NOT NULL CHECK (status IN ('open', 'cancelled', 'completed', 'no_show')),
    confirmed boolean NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    booked_at timestamptz,
    PRIMARY KEY (tenant_id, appointment_id)
);
CREATE INDEX appointment_booked_at ON appointment (tenant_id, booked_at);
CREATE INDEX appointment_starts_at ON appointment (tenant_id, starts_at);
CREATE INDEX appointment_cancelled_at ON appointment (tenant_id, changed_at) WHERE status = 'cancelled';
CALL isolate_tenant('appointment');

-- What became of each reminder message.
CREATE TABLE reminder (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('sent', 'failed')),
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, message_id)
);
CREATE INDEX reminder_occurred_at ON reminder (tenant_id, occurred_at);
CALL isolate_tenant('reminder');

-- Subscriptions as billing last told of them.
CREATE TABLE subscription (
    tenant_id uuid NOT NULL,
    subscription_id text NOT NULL,
    status text NOT NULL,
    plan text NOT NULL,
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, subscription_id)
);
CALL isolate_tenant('subscription');
