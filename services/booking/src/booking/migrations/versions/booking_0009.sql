-- When a waiting entry is looked at in full, whatever has been looked at in between: `look_at` comes before that where
-- something becomes free, and `look_during` narrows that look alone. NULL, as the older release leaves it: at the next
-- look.
ALTER TABLE waitlist_entry ADD COLUMN full_look_at timestamptz;

-- Whose an entry is while it is in line, as booking.clients hides it, so that one client's can be counted. NULL for those
-- that the older release adds, which count for nobody.
ALTER TABLE waitlist_entry ADD COLUMN client bytea;
CREATE INDEX waitlist_entry_by_client ON waitlist_entry (tenant_id, client)
    WHERE client IS NOT NULL AND state IN ('waiting', 'offered');

-- Since when the state is what it is; of entries from before this, when it was added. Those that have ended are dropped
-- some time behind it.
ALTER TABLE waitlist_entry ADD COLUMN state_since timestamptz NOT NULL DEFAULT now();
CREATE INDEX waitlist_entry_ended ON waitlist_entry (state_since) WHERE state NOT IN ('waiting', 'offered');

-- A trigger, so that no writer can forget it, of whatever release of the code.
CREATE FUNCTION note_waitlist_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.state_since := now();
    IF NEW.state NOT IN ('waiting', 'offered') THEN
        NEW.client := NULL;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER waitlist_entry_state BEFORE UPDATE OF state ON waitlist_entry FOR EACH ROW
    EXECUTE FUNCTION note_waitlist_state();
