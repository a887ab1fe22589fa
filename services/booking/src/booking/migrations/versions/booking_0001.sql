CREATE EXTENSION IF NOT EXISTS btree_gist;

-- Read models of business.catalog.v1. A resource's row is also what writers lock before they take its time.
CREATE TABLE resource (
    tenant_id uuid NOT NULL,
    resource_id uuid NOT NULL,
    version integer NOT NULL,
    deleted boolean NOT NULL,
    name text NOT NULL,
    timezone text NOT NULL,
    weekly_hours jsonb NOT NULL,
    exceptions jsonb NOT NULL,
    PRIMARY KEY (tenant_id, resource_id)
);
CALL isolate_tenant('resource');

CREATE TABLE offer (
    tenant_id uuid NOT NULL,
    service_id uuid NOT NULL,
    version integer NOT NULL,
    deleted boolean NOT NULL,
    name text NOT NULL,
    duration interval NOT NULL,
    buffer_before interval NOT NULL,
    buffer_after interval NOT NULL,
    slot_step interval NOT NULL,
    minimum_notice interval NOT NULL,
    booking_window interval NOT NULL,
    cancellation_window interval NOT NULL,
    capacity integer NOT NULL,
    requires_confirmation boolean NOT NULL,
    price_amount integer NOT NULL,
    currency text NOT NULL,
    resource_ids uuid[] NOT NULL,
    PRIMARY KEY (tenant_id, service_id)
);
CALL isolate_tenant('offer');

CREATE TABLE reminder_policy (
    tenant_id uuid PRIMARY KEY,
    version integer NOT NULL,
    rules jsonb NOT NULL
);
CALL isolate_tenant('reminder_policy');

CREATE TABLE customer (
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    version integer NOT NULL DEFAULT 1,
    name text NOT NULL,
    email text,
    phone text,
    locale text NOT NULL,
    consent_email boolean NOT NULL,
    consent_sms boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, customer_id),
    CONSTRAINT customer_reachable CHECK (email IS NOT NULL OR phone IS NOT NULL)
);
-- Only somebody who names all three is taken for the same person: nobody can attach a number to another's address.
CREATE UNIQUE INDEX customer_same_person ON customer
    (tenant_id, lower(coalesce(email, '')), coalesce(phone, ''), name);
CALL isolate_tenant('customer');

CREATE TABLE appointment (
    tenant_id uuid NOT NULL,
    appointment_id uuid NOT NULL,
    version integer NOT NULL DEFAULT 1,
    status text NOT NULL CHECK (status IN ('pending', 'confirmed', 'cancelled', 'completed', 'no-show')),
    service_id uuid NOT NULL,
    resource_ids uuid[] NOT NULL,
    customer_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    timezone text NOT NULL,
    price_amount integer NOT NULL,
    currency text NOT NULL,
    source text NOT NULL CHECK (source IN ('public', 'staff', 'waitlist')),
    notes text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, appointment_id),
    CONSTRAINT appointment_times CHECK (starts_at < ends_at),
    CONSTRAINT appointment_customer FOREIGN KEY (tenant_id, customer_id) REFERENCES customer
);
CREATE INDEX appointment_by_time ON appointment (tenant_id, starts_at, appointment_id);
CREATE INDEX appointment_by_customer ON appointment (tenant_id, customer_id);
CALL isolate_tenant('appointment');

-- What the platform stands on. One row for each resource that an appointment or a hold takes. Two rows of one
-- resource and lane may not overlap, unless they are places of one session (a class): whoever writes, and however.
CREATE TABLE allocation (
    tenant_id uuid NOT NULL,
    allocation_id uuid NOT NULL,
    resource_id uuid NOT NULL,
    lane integer NOT NULL DEFAULT 0 CHECK (lane >= 0),
    session_id uuid NOT NULL,
    place integer NOT NULL DEFAULT 0 CHECK (place >= 0),
    during tstzrange NOT NULL CHECK (NOT isempty(during)),
    state text NOT NULL CHECK (state IN ('held', 'confirmed', 'released')),
    appointment_id uuid,
    hold_id uuid,
    held_until timestamptz,
    PRIMARY KEY (tenant_id, allocation_id),
    CONSTRAINT allocation_owner CHECK (num_nonnulls(appointment_id, hold_id) = 1),
    CONSTRAINT allocation_hold_expires CHECK ((state = 'held') <= (held_until IS NOT NULL)),
    CONSTRAINT allocation_resource FOREIGN KEY (tenant_id, resource_id) REFERENCES resource,
    CONSTRAINT allocation_appointment FOREIGN KEY (tenant_id, appointment_id) REFERENCES appointment
        DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT allocation_no_overlap EXCLUDE USING gist (
        tenant_id WITH =, resource_id WITH =, lane WITH =, session_id WITH <>, during WITH &&
    ) WHERE (state IN ('held', 'confirmed'))
);
-- The places of a session are taken once each.
CREATE UNIQUE INDEX allocation_place ON allocation (tenant_id, resource_id, lane, session_id, place)
    WHERE state IN ('held', 'confirmed');
CREATE INDEX allocation_by_appointment ON allocation (tenant_id, appointment_id) WHERE appointment_id IS NOT NULL;
CREATE INDEX allocation_by_hold ON allocation (tenant_id, hold_id) WHERE hold_id IS NOT NULL;
CREATE INDEX allocation_held ON allocation (held_until) WHERE state = 'held';
CALL isolate_tenant('allocation', worker => true);

CREATE TABLE hold (
    tenant_id uuid NOT NULL,
    hold_id uuid NOT NULL,
    service_id uuid NOT NULL,
    resource_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, hold_id)
);
CREATE INDEX hold_expiry ON hold (expires_at);
CALL isolate_tenant('hold', worker => true);

-- Reminders asked for and not withdrawn, so that a change of the appointment or of the policy can withdraw them.
CREATE TABLE reminder (
    tenant_id uuid NOT NULL,
    reminder_id uuid NOT NULL,
    appointment_id uuid NOT NULL,
    rule_id uuid NOT NULL,
    channel text NOT NULL,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, reminder_id),
    CONSTRAINT reminder_appointment FOREIGN KEY (tenant_id, appointment_id) REFERENCES appointment
);
CREATE INDEX reminder_by_appointment ON reminder (tenant_id, appointment_id);
CALL isolate_tenant('reminder');
