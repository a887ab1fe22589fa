-- Appointments as their events tell: ids and times only.
CREATE TABLE appointment (
    tenant_id uuid NOT NULL,
    appointment_id uuid NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    status text NOT NULL CHECK (status IN ('pending', 'confirmed', 'cancelled', 'completed', 'no_show')),
    service_id uuid NOT NULL,
    staff_ids uuid[] NOT NULL,
    customer_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    timezone text NOT NULL,
    PRIMARY KEY (tenant_id, appointment_id)
);
CALL isolate_tenant('appointment');

-- The people who are written to. Of an erased one only the id is left, so that what was still to be sent is not.
CREATE TABLE customer (
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    version integer NOT NULL,
    erased boolean NOT NULL DEFAULT false,
    name text NOT NULL,
    email text,
    phone text,
    locale text NOT NULL,
    consent_email boolean NOT NULL,
    consent_sms boolean NOT NULL,
    PRIMARY KEY (tenant_id, customer_id),
    CHECK (NOT erased OR (name = '' AND email IS NULL AND phone IS NULL))
);
CALL isolate_tenant('customer');

-- What services and staff are called.
CREATE TABLE catalog_name (
    tenant_id uuid NOT NULL,
    entity_id uuid NOT NULL,
    version integer NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (tenant_id, entity_id)
);
CALL isolate_tenant('catalog_name');

-- How the business presents itself: whom a reply goes to, and where it is.
CREATE TABLE profile (
    tenant_id uuid PRIMARY KEY,
    version integer NOT NULL,
    display_name text NOT NULL,
    contact_email text,
    address text
);
CALL isolate_tenant('profile');

-- One message to one person. `cause` names what asked for it (a reminder, or a change of an appointment); with the
-- channel it makes the message one, however often it is asked for. What it says is made up when it is sent.
-- next_attempt_at is also the lease: claiming puts it ahead. `sending`: handed over, with the outcome not known
-- yet; found so when the lease has ended, it may or may not have gone out (docs/adr/0007).
CREATE TABLE message (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    cause text NOT NULL,
    channel text NOT NULL CHECK (channel IN ('email', 'sms')),
    kind text NOT NULL CHECK (kind IN ('reminder', 'booked', 'rescheduled', 'cancelled', 'confirmed')),
    appointment_id uuid NOT NULL,
    appointment_version integer NOT NULL,
    customer_id uuid NOT NULL,
    reminder_id uuid,
    due_at timestamptz,
    starts_at timestamptz NOT NULL,
    previous_starts_at timestamptz,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'sending', 'sent', 'failed', 'suppressed')),
    queued_at timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    counted_at timestamptz,
    repeated boolean NOT NULL DEFAULT false,
    settled_at timestamptz,
    reason text,
    provider text,
    recipient text,
    PRIMARY KEY (tenant_id, message_id),
    CONSTRAINT message_cause UNIQUE (tenant_id, cause, channel)
);
CREATE INDEX message_due ON message (channel, next_attempt_at) WHERE status IN ('queued', 'sending');
CREATE INDEX message_by_appointment ON message (tenant_id, appointment_id);
CREATE INDEX message_by_customer ON message (tenant_id, customer_id);
CALL isolate_tenant('message', worker => true);

-- The text messages that the mock provider has taken, for a person to look at.
CREATE TABLE mock_sms (
    tenant_id uuid NOT NULL,
    message_id uuid NOT NULL,
    body text NOT NULL,
    taken_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, message_id),
    FOREIGN KEY (tenant_id, message_id) REFERENCES message
);
CALL isolate_tenant('mock_sms');
