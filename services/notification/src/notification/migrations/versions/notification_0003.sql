-- What a business says in its own words, by kind, channel and language; a part that is NULL is said in ours. A row
-- whose parts are all NULL was taken back, and keeps its version, so that no older edit fits again.
CREATE TABLE wording (
    tenant_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('reminder', 'booked', 'pending', 'confirmed', 'rescheduled', 'cancelled')),
    channel text NOT NULL CHECK (channel IN ('email', 'sms')),
    language text NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    subject text,
    lead text,
    body text,
    PRIMARY KEY (tenant_id, kind, channel, language),
    CHECK (channel = 'email' OR (subject IS NULL AND lead IS NULL)),
    CHECK (channel = 'sms' OR body IS NULL)
);
CALL isolate_tenant('wording');

-- When a business does not write to people: wall-clock times where the appointment is read. `notices` says whether
-- news of appointments waits too, and not only reminders.
CREATE TABLE quiet_hours (
    tenant_id uuid PRIMARY KEY,
    version integer NOT NULL CHECK (version >= 1),
    begins time NOT NULL,
    ends time NOT NULL,
    channels text[] NOT NULL CHECK (channels <@ ARRAY['email', 'sms']),
    notices boolean NOT NULL,
    CHECK (begins <> ends)
);
CALL isolate_tenant('quiet_hours');

-- Addresses that are not written to, each by a digest under the tenant's id: the list goes on holding when a person is
-- erased. `hint` is the masked address, for the business to know it again; it goes with the person, as customer_id
-- does. Each reason stands by itself, so that taking one back leaves the others.
CREATE TABLE suppression (
    tenant_id uuid NOT NULL,
    suppression_id uuid NOT NULL,
    channel text NOT NULL CHECK (channel IN ('email', 'sms')),
    digest bytea NOT NULL CHECK (length(digest) = 16),
    reason text NOT NULL CHECK (reason IN ('unsubscribed', 'bounced', 'complaint', 'by-hand')),
    scope text NOT NULL CHECK (scope IN ('reminders', 'all')),
    customer_id uuid,
    hint text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, suppression_id),
    CONSTRAINT suppression_reason UNIQUE (tenant_id, channel, digest, reason)
);
CREATE INDEX suppression_by_customer ON suppression (tenant_id, customer_id) WHERE customer_id IS NOT NULL;
CALL isolate_tenant('suppression');

-- `segments` is what a text message counted for when it was first handed over; `held_until` the end of the quiet hours
-- that a message waits for.
ALTER TABLE message ADD COLUMN segments integer, ADD COLUMN held_until timestamptz;
