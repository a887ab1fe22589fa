-- A time that somebody on the waitlist is offered stands as version 0 of the appointment that it may become.
ALTER TABLE appointment
    DROP CONSTRAINT appointment_version_check,
    DROP CONSTRAINT appointment_status_check,
    ADD CONSTRAINT appointment_version_check CHECK (version >= 1 OR (version = 0 AND status = 'offered')),
    ADD CONSTRAINT appointment_status_check CHECK (status IN ('offered', 'pending', 'confirmed', 'cancelled',
        'completed', 'no_show'));

-- Whose place on the waitlist a message is about.
ALTER TABLE message
    ADD COLUMN entry_id uuid,
    DROP CONSTRAINT message_kind_check,
    ADD CONSTRAINT message_kind_check CHECK (kind IN ('reminder', 'booked', 'rescheduled', 'cancelled', 'confirmed',
        'waitlist-offer'));
