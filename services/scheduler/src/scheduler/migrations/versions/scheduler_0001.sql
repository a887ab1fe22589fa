-- A reminder's timer: set (due_at, request) or closed (closed_at), because it has fired or was withdrawn. A closed one is
-- kept for a month, so that its key refuses the same reminder a second time. Not partitioned by day: a withdrawal knows
-- the reminder's id and not its time, and the key has to hold across days (docs/adr/0013).
CREATE TABLE timer (
    tenant_id uuid NOT NULL,
    reminder_id uuid NOT NULL,
    due_at timestamptz,
    request jsonb,
    closed_at timestamptz,
    PRIMARY KEY (tenant_id, reminder_id),
    CHECK ((due_at IS NULL) = (request IS NULL)),
    CHECK ((due_at IS NULL) <> (closed_at IS NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0);
CREATE INDEX timer_due_at ON timer (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX timer_closed_at ON timer (closed_at) WHERE closed_at IS NOT NULL;
CALL isolate_tenant('timer', worker => true);
