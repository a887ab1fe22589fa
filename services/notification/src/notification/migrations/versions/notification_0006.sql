-- Who cancelled an appointment, as its event told; NULL while it stands, and where the code before this heard of it.
ALTER TABLE appointment ADD COLUMN cancelled_by text;

-- A cancellation because the business has not confirmed in time has words of its own.
ALTER TABLE wording
    DROP CONSTRAINT wording_kind_check,
    ADD CONSTRAINT wording_kind_check CHECK (kind IN ('reminder', 'booked', 'pending', 'confirmed', 'rescheduled',
        'cancelled', 'unconfirmed'));
