-- What is kept of a deleted tenant names the customer that it had adopted, and no longer keeps others from adopting it.
-- The name is that of the constraint before, by which code before this knows the error.
ALTER TABLE account ADD COLUMN released boolean NOT NULL DEFAULT false;
ALTER TABLE account DROP CONSTRAINT account_customer;
CREATE UNIQUE INDEX account_customer ON account (customer_id) WHERE NOT released;

-- Row level security holds for the owner, too.
SELECT set_config('app.worker', 'on', true);
UPDATE account a SET released = true FROM tenants t
WHERE t.tenant_id = a.tenant_id AND t.state = 'deleted' AND a.customer_adopted;
SELECT set_config('app.worker', '', true);
