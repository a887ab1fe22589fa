-- When a time begins and ends, as columns. Row level security lets no operator but a leakproof one near the rows
-- before its policy has passed them: comparing instants is leakproof, `&&` of ranges is not, and so no index helped
-- it: a look at one hour read all of a resource's past and future.
ALTER TABLE allocation
    ADD COLUMN begins_at timestamptz NOT NULL GENERATED ALWAYS AS (lower(during)) STORED,
    ADD COLUMN ends_at timestamptz NOT NULL GENERATED ALWAYS AS (upper(during)) STORED,
    -- So that who looks for what overlaps an hour need not look further back than this.
    ADD CONSTRAINT allocation_length CHECK (upper(during) <= lower(during) + interval '7 days');
CREATE INDEX allocation_by_time ON allocation (tenant_id, resource_id, begins_at)
    WHERE state IN ('held', 'confirmed');

ALTER TABLE external_busy
    ADD COLUMN begins_at timestamptz NOT NULL GENERATED ALWAYS AS (lower(during)) STORED,
    ADD COLUMN ends_at timestamptz NOT NULL GENERATED ALWAYS AS (upper(during)) STORED;
DROP INDEX external_busy_by_time;
CREATE INDEX external_busy_by_end ON external_busy (tenant_id, resource_id, ends_at);
