-- Tenants that are being deleted and are not answered for yet; see servicekit.removal. Once `withdrawn`, their rows lead
-- to nothing any more. `counts` says how many of each table have been erased by now, in the transactions that erased
-- them. `turn_at` lets tenants take turns.
CREATE TABLE removal (
    tenant_id uuid PRIMARY KEY,
    generation bigint NOT NULL,
    erase boolean NOT NULL,
    withdrawn boolean NOT NULL DEFAULT false,
    counts jsonb NOT NULL DEFAULT '{}',
    turn_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CALL isolate_tenant('removal', worker => true);
