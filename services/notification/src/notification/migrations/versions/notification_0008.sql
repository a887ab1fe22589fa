-- When an endpoint was deleted: it is shown no more, and goes once its deliveries have, batch by batch. Code before this
-- finds it disabled, and sends nothing to it.
ALTER TABLE webhook_endpoint ADD COLUMN deleted_at timestamptz;
CREATE INDEX webhook_endpoint_deleted ON webhook_endpoint (tenant_id, endpoint_id) WHERE deleted_at IS NOT NULL;
