-- The tenants for which Stripe is asked for a customer, from before the call until the customer is stored. Of one that is
-- deleted in between, as billing was interrupted, the customer may be there and nowhere else. Code before this has none.
CREATE TABLE linking (tenant_id uuid PRIMARY KEY);
CALL isolate_tenant('linking');
