-- Time that was given back is dropped some while later, by the loop `booking.leftovers`: a hold's by when it would have
-- run out, an appointment's by when it would have begun. One index leads to holds that run out and to those that have
-- been given back: each index is a booking's to look at.
CREATE INDEX allocation_held_until ON allocation (state, held_until) WHERE held_until IS NOT NULL;
DROP INDEX allocation_held;
CREATE INDEX allocation_released_appointment ON allocation (begins_at)
    WHERE state = 'released' AND appointment_id IS NOT NULL;

-- Until then it leads a staff member's calendar feed to what has been cancelled, as allocation_by_time does to the rest.
CREATE INDEX allocation_released_by_time ON allocation (tenant_id, resource_id, begins_at)
    WHERE state = 'released' AND appointment_id IS NOT NULL;

-- Reminders that are past can be neither withdrawn nor asked for again: the same loop drops them, across tenants.
CREATE INDEX reminder_by_time ON reminder (due_at);
CREATE POLICY worker ON reminder USING (app_worker());
