-- Who changed what; see servicekit.audit. Run by a revision of each service that keeps a trail.
CREATE TABLE audit_entry (
    tenant_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    actor_kind text NOT NULL CHECK (actor_kind IN ('customer', 'member', 'system')),
    actor_id uuid,
    request_id text,
    action text NOT NULL,
    entity_kind text NOT NULL,
    entity_id uuid NOT NULL,
    changes jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, entry_id)
);
CREATE INDEX audit_entry_by_time ON audit_entry (tenant_id, at, entry_id);
CREATE INDEX audit_entry_by_entity ON audit_entry (tenant_id, entity_id, at, entry_id);

-- Not by isolate_tenant, which lets a tenant's transactions change its rows: these are read and added, no more. They
-- go with a tenant's erasure, whose transaction is the one that is a worker's and a tenant's at once.
ALTER TABLE audit_entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_entry FORCE ROW LEVEL SECURITY;
CREATE POLICY readable ON audit_entry FOR SELECT USING (tenant_id = app_tenant());
CREATE POLICY writable ON audit_entry FOR INSERT WITH CHECK (tenant_id = app_tenant());
CREATE POLICY erasable ON audit_entry FOR DELETE USING (tenant_id = app_tenant() AND app_worker());
