-- Who cancelled an appointment, as its event has always told: the customer's page and the business say so. Not known of
-- those that were cancelled before this, or by the older release while it still runs.
ALTER TABLE appointment ADD COLUMN cancelled_by text;

-- NOT VALID, as what is there is null throughout and need not be read.
ALTER TABLE appointment ADD CONSTRAINT appointment_cancelled_by
    CHECK (cancelled_by IN ('customer', 'staff', 'system')) NOT VALID;
