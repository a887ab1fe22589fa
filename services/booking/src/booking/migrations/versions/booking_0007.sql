-- Appointments that wait for their business's confirmation, by when they run out: at their start.
CREATE INDEX appointment_pending ON appointment (starts_at, appointment_id) WHERE status = 'pending';

-- The loop that ends them looks for them across tenants, and for nothing else: whatever is not pending stays out of its
-- sight, and what it has found is changed in a transaction of its tenant's. CASE, as from `status = 'pending' AND …` the
-- planner would take that every look of a tenant's may go through the index above too: through all tenants' rows.
CREATE POLICY worker_pending ON appointment FOR SELECT
    USING (CASE status WHEN 'pending' THEN app_worker() ELSE false END);
