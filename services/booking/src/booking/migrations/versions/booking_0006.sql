-- Whose a hold is, as booking.holds hides it. NULL for an offer to the waitlist, which is nobody's, and for the holds of
-- the code before this, which count for nobody.
ALTER TABLE hold ADD COLUMN client bytea;
CREATE INDEX hold_by_client ON hold (tenant_id, client, expires_at) WHERE client IS NOT NULL;
