-- When a message was handed over anew for the first time, as it may have arrived: further repeats come the more rarely the
-- longer that goes on. NULL of one that is not repeated, or was before this was kept.
ALTER TABLE message ADD COLUMN repeated_at timestamptz;
