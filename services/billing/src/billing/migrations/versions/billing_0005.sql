-- The worker forgets events 60 days after they were handled, and looks for them all the time.
CREATE INDEX stripe_event_handled ON stripe_event (handled_at);
