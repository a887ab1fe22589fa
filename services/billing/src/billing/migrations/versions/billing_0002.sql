-- Stripe's amounts are of 64 bits, and a currency without a minor unit worth the name fills 32 soon. The table is
-- written anew; it has some rows a tenant.
ALTER TABLE invoice
    ALTER COLUMN total TYPE bigint,
    ALTER COLUMN amount_due TYPE bigint,
    ALTER COLUMN amount_paid TYPE bigint;
