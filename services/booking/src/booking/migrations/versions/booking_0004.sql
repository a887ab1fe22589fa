-- Appointments that were booked together and recur.
ALTER TABLE appointment ADD COLUMN series_id uuid;
CREATE INDEX appointment_by_series ON appointment (tenant_id, series_id, starts_at) WHERE series_id IS NOT NULL;

-- Who waits for a time of a service to become free: one that begins in `earliest` … `latest`. The first in line is
-- the one with the least (created_at, entry_id). Waiting entries are looked at when `look_at` has come, for times
-- that touch `look_during`, or for any in their window where that is null.
CREATE TABLE waitlist_entry (
    tenant_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'offered', 'booked', 'left', 'removed', 'unanswered', 'over')),
    service_id uuid NOT NULL,
    staff_id uuid,
    earliest timestamptz NOT NULL,
    latest timestamptz NOT NULL,
    customer_id uuid NOT NULL,
    timezone text NOT NULL,
    created_at timestamptz NOT NULL,
    look_at timestamptz NOT NULL,
    look_during tstzrange,
    PRIMARY KEY (tenant_id, entry_id),
    CONSTRAINT waitlist_entry_window CHECK (earliest < latest),
    -- Who is erased waits no longer.
    CONSTRAINT waitlist_entry_customer FOREIGN KEY (tenant_id, customer_id) REFERENCES customer ON DELETE CASCADE
);
CREATE INDEX waitlist_entry_due ON waitlist_entry (look_at) WHERE state = 'waiting';
CREATE INDEX waitlist_entry_line ON waitlist_entry (tenant_id, created_at, entry_id) WHERE state = 'waiting';
CREATE INDEX waitlist_entry_by_customer ON waitlist_entry (tenant_id, customer_id);
CALL isolate_tenant('waitlist_entry', worker => true);

-- A time that an entry was offered. The time itself is kept by the hold's allocations, under the one constraint; an
-- entry has one offer at a time. offer_id becomes the appointment's id when the offer is taken.
CREATE TABLE waitlist_offer (
    tenant_id uuid NOT NULL,
    offer_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    hold_id uuid NOT NULL,
    staff_ids uuid[] NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    offered_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    outcome text CHECK (outcome IN ('taken', 'lapsed', 'withdrawn')),
    PRIMARY KEY (tenant_id, offer_id),
    CONSTRAINT waitlist_offer_times CHECK (offered_at < expires_at AND expires_at <= starts_at),
    CONSTRAINT waitlist_offer_entry FOREIGN KEY (tenant_id, entry_id) REFERENCES waitlist_entry ON DELETE CASCADE
);
CREATE UNIQUE INDEX waitlist_offer_open ON waitlist_offer (tenant_id, entry_id) WHERE outcome IS NULL;
CREATE INDEX waitlist_offer_by_entry ON waitlist_offer (tenant_id, entry_id);
CREATE INDEX waitlist_offer_expiry ON waitlist_offer (expires_at) WHERE outcome IS NULL;
CALL isolate_tenant('waitlist_offer', worker => true);

-- Times that have become free and that the waitlist has not been told of yet.
CREATE TABLE freed_time (
    tenant_id uuid NOT NULL,
    freed_id bigint GENERATED ALWAYS AS IDENTITY,
    during tstzrange NOT NULL,
    PRIMARY KEY (tenant_id, freed_id)
);
CALL isolate_tenant('freed_time', worker => true);

-- A trigger, so that no writer can forget it: a cancellation, a move, a hold that ran out, of whatever release of
-- the code. Only rows are added, so nobody waits here. A business where nobody has ever waited pays a look-up.
CREATE FUNCTION note_freed_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM waitlist_entry WHERE tenant_id = NEW.tenant_id) THEN
        INSERT INTO freed_time (tenant_id, during) VALUES (NEW.tenant_id, NEW.during);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER allocation_freed AFTER UPDATE OF state ON allocation FOR EACH ROW
    WHEN (OLD.state <> 'released' AND NEW.state = 'released') EXECUTE FUNCTION note_freed_time();
