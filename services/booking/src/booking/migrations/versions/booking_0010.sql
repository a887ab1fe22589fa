-- Businesses whose reminder policy has changed, and how far the appointments to come have followed it: those behind
-- (after_time, after_id), by start and id, are still to be looked at; all of them where it is null. A row goes when it
-- is done. The code before this follows a change at once, and writes none.
CREATE TABLE reminder_alignment (
    tenant_id uuid PRIMARY KEY,
    after_time timestamptz,
    after_id uuid,
    CONSTRAINT reminder_alignment_place CHECK ((after_time IS NULL) = (after_id IS NULL))
);
CALL isolate_tenant('reminder_alignment', worker => true);
