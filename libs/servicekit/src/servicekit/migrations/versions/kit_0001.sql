-- The scope of a transaction, as servicekit.db sets it.
CREATE FUNCTION app_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('app.tenant_id', true), '')::uuid $$;
CREATE FUNCTION app_worker() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT coalesce(current_setting('app.worker', true), '') = 'on' $$;

-- Puts a tenant table under row level security. With worker => true, loops that serve all tenants see it too.
CREATE PROCEDURE isolate_tenant(target regclass, worker boolean DEFAULT false) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY tenant ON %s USING (tenant_id = app_tenant())', target);
    IF worker THEN
        EXECUTE format('CREATE POLICY worker ON %s USING (app_worker())', target);
    END IF;
END $$;

-- The read model of platform.tenants.v1. Anyone may read it (a public page finds its tenant by slug); only the
-- loop that follows the topic writes it.
CREATE TABLE tenants (
    tenant_id uuid PRIMARY KEY,
    slug text NOT NULL,
    generation bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'suspended', 'deleting', 'deleted')),
    record jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tenants_slug ON tenants (slug, updated_at DESC);
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY readable ON tenants FOR SELECT USING (true);
CREATE POLICY worker ON tenants USING (app_worker());

-- What this service last answered about a tenant on platform.tenant-status.v1; the topic is compacted, so each
-- answer is whole, and this row is what the next one starts from.
CREATE TABLE tenant_status (
    tenant_id uuid PRIMARY KEY,
    status jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CALL isolate_tenant('tenant_status', worker => true);

-- Events to be relayed, written in the transaction of what they tell. Deleted once Kafka has acknowledged.
-- shard = crc32(key) % 16, so that one relay at a time sends a key's events.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard smallint NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    headers jsonb NOT NULL,
    payload bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY writable ON outbox FOR INSERT WITH CHECK (true);
CREATE POLICY worker ON outbox USING (app_worker());

-- Which events a consumer has already put into effect, in the transaction of the effect.
CREATE TABLE inbox (
    consumer text NOT NULL,
    event_id text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_received_at ON inbox (received_at);

-- Answers to requests that carried an Idempotency-Key, in the transaction of their effect.
CREATE TABLE idempotency (
    tenant_id uuid NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status smallint,
    body bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, route, key)
);
CREATE INDEX idempotency_created_at ON idempotency (created_at);
CALL isolate_tenant('idempotency', worker => true);

-- What is used of each limit; period is 'YYYY-MM' (UTC) for monthly limits and '' for standing ones.
CREATE TABLE usage (
    tenant_id uuid NOT NULL,
    metric text NOT NULL,
    period text NOT NULL,
    used integer NOT NULL CHECK (used >= 0),
    unreported boolean NOT NULL DEFAULT true,
    PRIMARY KEY (tenant_id, metric, period)
) WITH (fillfactor = 50);
CREATE INDEX usage_unreported ON usage (tenant_id) WHERE unreported;
CALL isolate_tenant('usage', worker => true);
