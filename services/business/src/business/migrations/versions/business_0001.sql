CREATE TABLE profile (
    tenant_id uuid PRIMARY KEY,
    version integer NOT NULL DEFAULT 1,
    display_name text NOT NULL,
    description text NOT NULL DEFAULT '',
    contact_email text,
    contact_phone text,
    address text,
    policy_version integer NOT NULL DEFAULT 1
);
CALL isolate_tenant('profile');

-- weekly_hours and exceptions are always read and written whole, with their staff member's version.
CREATE TABLE staff (
    tenant_id uuid NOT NULL,
    staff_id uuid NOT NULL,
    version integer NOT NULL DEFAULT 1,
    name text NOT NULL,
    email text,
    timezone text NOT NULL,
    weekly_hours jsonb NOT NULL DEFAULT '[]',
    exceptions jsonb NOT NULL DEFAULT '[]',
    deleted_at timestamptz,
    PRIMARY KEY (tenant_id, staff_id)
);
CALL isolate_tenant('staff');

CREATE TABLE service (
    tenant_id uuid NOT NULL,
    service_id uuid NOT NULL,
    version integer NOT NULL DEFAULT 1,
    name text NOT NULL,
    description text NOT NULL,
    duration_minutes integer NOT NULL CHECK (duration_minutes BETWEEN 1 AND 1440),
    buffer_before_minutes integer NOT NULL CHECK (buffer_before_minutes BETWEEN 0 AND 1440),
    buffer_after_minutes integer NOT NULL CHECK (buffer_after_minutes BETWEEN 0 AND 1440),
    slot_step_minutes integer NOT NULL CHECK (slot_step_minutes BETWEEN 1 AND 1440),
    minimum_notice_minutes integer NOT NULL CHECK (minimum_notice_minutes >= 0),
    booking_window_days integer NOT NULL CHECK (booking_window_days BETWEEN 1 AND 730),
    cancellation_window_minutes integer NOT NULL CHECK (cancellation_window_minutes >= 0),
    capacity integer NOT NULL CHECK (capacity BETWEEN 1 AND 1000),
    requires_confirmation boolean NOT NULL,
    price_amount integer NOT NULL CHECK (price_amount >= 0),
    deleted_at timestamptz,
    PRIMARY KEY (tenant_id, service_id)
);
CALL isolate_tenant('service');

CREATE TABLE service_staff (
    tenant_id uuid NOT NULL,
    service_id uuid NOT NULL,
    staff_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, service_id, staff_id),
    CONSTRAINT service_staff_service FOREIGN KEY (tenant_id, service_id) REFERENCES service,
    CONSTRAINT service_staff_staff FOREIGN KEY (tenant_id, staff_id) REFERENCES staff
);
CREATE INDEX service_staff_by_staff ON service_staff (tenant_id, staff_id);
CALL isolate_tenant('service_staff');

CREATE TABLE reminder_rule (
    tenant_id uuid NOT NULL,
    rule_id uuid NOT NULL,
    offset_seconds integer NOT NULL CHECK (offset_seconds BETWEEN 1 AND 31536000),
    channel text NOT NULL CHECK (channel IN ('email', 'sms')),
    PRIMARY KEY (tenant_id, rule_id),
    CONSTRAINT reminder_rule_once UNIQUE (tenant_id, offset_seconds, channel)
);
CALL isolate_tenant('reminder_rule');
