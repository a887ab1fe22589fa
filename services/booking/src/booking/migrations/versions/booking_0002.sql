-- Rooms and the like stand beside staff. A place of a resource's `capacity` is a lane of its allocations.
ALTER TABLE resource
    ADD COLUMN kind text NOT NULL DEFAULT 'staff',
    ADD COLUMN capacity integer NOT NULL DEFAULT 1,
    ADD COLUMN always_open boolean NOT NULL DEFAULT false,
    ADD COLUMN time_off jsonb NOT NULL DEFAULT '[]',
    ADD CONSTRAINT resource_kind CHECK (kind IN ('staff', 'resource')),
    ADD CONSTRAINT resource_capacity CHECK (capacity >= 1);

ALTER TABLE offer
    ADD COLUMN staff_count integer NOT NULL DEFAULT 1,
    ADD COLUMN needs jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN questions jsonb NOT NULL DEFAULT '[]',
    ADD CONSTRAINT offer_staff_count CHECK (staff_count >= 1);

-- The business's closed days.
CREATE TABLE holidays (
    tenant_id uuid PRIMARY KEY,
    version integer NOT NULL,
    days date[] NOT NULL
);
CALL isolate_tenant('holidays');

-- Answers with their questions as they were asked.
ALTER TABLE appointment ADD COLUMN answers jsonb NOT NULL DEFAULT '[]';

-- All that a hold keeps. NULL in the rows of the code before this, which keeps `resource_id` alone.
ALTER TABLE hold ADD COLUMN resource_ids uuid[];
