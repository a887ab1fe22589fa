-- A business's list of messages by status, and by channel: of years of them nearly all are sent, and nearly all are mails,
-- so that the others are found by an index of their own. It leads to what a business still has to send, too.
CREATE INDEX message_by_status ON message (tenant_id, status, message_id) WHERE status <> 'sent';
CREATE INDEX message_by_sms ON message (tenant_id, message_id) WHERE channel = 'sms';

-- The same of an endpoint's deliveries.
CREATE INDEX webhook_delivery_not_delivered ON webhook_delivery (tenant_id, endpoint_id, delivery_id)
    WHERE status <> 'delivered';
