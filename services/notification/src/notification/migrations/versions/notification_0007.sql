-- A message is to a customer, about an appointment; or to the business's owner, about an endpoint that was disabled at
-- `disabled_at`. Code before this leaves the second alone: it waits there for an appointment that never comes.
ALTER TABLE message
    ADD COLUMN endpoint_id uuid,
    ADD COLUMN disabled_at timestamptz,
    ALTER COLUMN appointment_id DROP NOT NULL,
    ALTER COLUMN appointment_version DROP NOT NULL,
    ALTER COLUMN customer_id DROP NOT NULL,
    ALTER COLUMN starts_at DROP NOT NULL,
    DROP CONSTRAINT message_kind_check,
    ADD CONSTRAINT message_kind_check CHECK (kind IN ('reminder', 'booked', 'rescheduled', 'cancelled', 'confirmed',
        'waitlist-offer', 'webhook-disabled')),
    ADD CONSTRAINT message_concern CHECK (CASE kind
        WHEN 'webhook-disabled' THEN channel = 'email'
            AND num_nonnulls(endpoint_id, disabled_at) = 2
            AND num_nonnulls(appointment_id, appointment_version, customer_id, starts_at) = 0
        ELSE num_nonnulls(endpoint_id, disabled_at) = 0
            AND num_nonnulls(appointment_id, appointment_version, customer_id, starts_at) = 4 END);
