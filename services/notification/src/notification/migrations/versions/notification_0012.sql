-- What is under way to an endpoint is counted at each claim: by the end of its lease, or all that was settled beside an
-- old snapshot would be passed each time (docs/adr/0025).
CREATE INDEX webhook_delivery_leased ON webhook_delivery (tenant_id, endpoint_id, next_attempt_at)
    WHERE status = 'sending';
DROP INDEX webhook_delivery_sending;
