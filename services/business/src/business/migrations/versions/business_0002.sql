-- Rooms, chairs, devices. Without weekly_hours one is always open.
CREATE TABLE resource (
    tenant_id uuid NOT NULL,
    resource_id uuid NOT NULL,
    version integer NOT NULL DEFAULT 1,
    name text NOT NULL,
    timezone text NOT NULL,
    capacity integer NOT NULL CHECK (capacity BETWEEN 1 AND 1000),
    weekly_hours jsonb,
    exceptions jsonb NOT NULL DEFAULT '[]',
    deleted_at timestamptz,
    PRIMARY KEY (tenant_id, resource_id)
);
CALL isolate_tenant('resource');

-- Read and written whole, with their staff member's version.
ALTER TABLE staff ADD COLUMN time_off jsonb NOT NULL DEFAULT '[]';

-- Needs and questions are read and written whole, with their service's version.
ALTER TABLE service
    ADD COLUMN staff_count integer NOT NULL DEFAULT 1 CHECK (staff_count BETWEEN 1 AND 50),
    ADD COLUMN needs jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN questions jsonb NOT NULL DEFAULT '[]';

-- Closed days, with a version of their own.
ALTER TABLE profile
    ADD COLUMN holidays jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN holidays_version integer NOT NULL DEFAULT 1;
