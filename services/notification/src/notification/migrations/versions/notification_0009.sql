-- When an endpoint is disabled, everything queued for it has failed; the rows say so batch by batch. Of one that is
-- enabled again before the last of them, `failed_up_to` is a number that none of those exceeds, and `failed_at` when it
-- was disabled; what has a higher number waits until they are all marked. Both are NULL otherwise.
ALTER TABLE webhook_endpoint ADD COLUMN failed_up_to bigint, ADD COLUMN failed_at timestamptz;

-- A number of its own whenever a delivery is queued, or queued again: no clock tells what came first. NULL, which is
-- lower than any, where the code before this queued it again. The default comes second, so that no row is written.
CREATE SEQUENCE webhook_queue;
ALTER TABLE webhook_delivery ADD COLUMN queue_number bigint;
ALTER TABLE webhook_delivery ALTER COLUMN queue_number SET DEFAULT nextval('webhook_queue');
