-- When a waiting entry is looked at in full, whatever has been looked at in between: `look_at` comes before that where
-- something becomes free, and `look_during` narrows that look alone. NULL, as the older release leaves it: at the next
-- look.
ALTER TABLE waitlist_entry ADD COLUMN full_look_at timestamptz;
