-- Edits of the notes, which neither customers nor events hear of; with `version` it makes the ETag.
ALTER TABLE appointment ADD COLUMN notes_version integer NOT NULL DEFAULT 0;

ALTER TABLE customer
    ADD COLUMN notes text NOT NULL DEFAULT '',
    ADD COLUMN erased_at timestamptz,
    DROP CONSTRAINT customer_reachable,
    ADD CONSTRAINT customer_reachable CHECK (email IS NOT NULL OR phone IS NOT NULL OR erased_at IS NOT NULL);
CREATE INDEX customer_by_name ON customer (tenant_id, lower(name) text_pattern_ops);
CREATE INDEX customer_by_email ON customer (tenant_id, lower(email) text_pattern_ops);

-- A staff member's calendar feed. Whoever has the token sees it; here is only the token's hash.
CREATE TABLE staff_feed (
    tenant_id uuid NOT NULL,
    resource_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, resource_id),
    CONSTRAINT staff_feed_resource FOREIGN KEY (tenant_id, resource_id) REFERENCES resource
);
CALL isolate_tenant('staff_feed');

-- A calendar elsewhere whose events make a staff member busy. `expanded_at`: when its repeating events were last
-- followed to the horizon.
CREATE TABLE busy_calendar (
    tenant_id uuid NOT NULL,
    resource_id uuid NOT NULL,
    url text NOT NULL,
    next_fetch_at timestamptz NOT NULL,
    etag text,
    last_modified text,
    expanded_at timestamptz,
    last_fetch_at timestamptz,
    last_success_at timestamptz,
    failing_since timestamptz,
    fault text,
    PRIMARY KEY (tenant_id, resource_id),
    CONSTRAINT busy_calendar_resource FOREIGN KEY (tenant_id, resource_id) REFERENCES resource
);
CREATE INDEX busy_calendar_due ON busy_calendar (next_fetch_at);
CALL isolate_tenant('busy_calendar', worker => true);

-- Times that are taken elsewhere. Not under allocation's constraint: an appointment that stands already may overlap
-- one that turns up. A new one may not: writers look here with the resource locked.
CREATE TABLE external_busy (
    tenant_id uuid NOT NULL,
    busy_id uuid NOT NULL,
    resource_id uuid NOT NULL,
    during tstzrange NOT NULL CHECK (NOT isempty(during)),
    source text NOT NULL CHECK (source IN ('calendar')),
    PRIMARY KEY (tenant_id, busy_id),
    CONSTRAINT external_busy_resource FOREIGN KEY (tenant_id, resource_id) REFERENCES resource
);
CREATE INDEX external_busy_by_time ON external_busy USING gist (tenant_id, resource_id, during);
CALL isolate_tenant('external_busy');
