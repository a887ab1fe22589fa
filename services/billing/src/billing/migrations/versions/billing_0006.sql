-- A customer that billing made is let go with a deleted tenant, as an adopted one is: what is kept of the tenant says whose
-- it was. At Stripe its metadata names the tenant until somebody takes that away (docs/tenants.md, CustomerTaken).
-- Row level security holds for the owner, too.
SELECT set_config('app.worker', 'on', true);
UPDATE account a SET released = true FROM tenants t
WHERE t.tenant_id = a.tenant_id AND t.state = 'deleted' AND NOT a.released;
SELECT set_config('app.worker', '', true);
