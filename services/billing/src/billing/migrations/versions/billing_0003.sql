-- The tenants for which Stripe has answered a creating call with a failure: the number of the last attempt that
-- failed, part of its idempotency keys, and when Stripe last said so anew. Code before this keeps to the first's keys.
CREATE TABLE creation (
    tenant_id uuid PRIMARY KEY,
    attempt integer NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT now()
);
CALL isolate_tenant('creation');
