-- Timers that have fired or were withdrawn, by the day on which they were closed: a fired one leaves timer, and its key
-- here refuses the same reminder a second time. A ring of 32 days, of which one is always more than 30 days old and is
-- emptied whole (docs/adr/0016). What is closed in timer itself (withdrawn, or fired by the release before) comes here
-- later. The days are reached through their parent only: a right on one would pass its policies.
CREATE TABLE closed_timer (
    tenant_id uuid NOT NULL,
    reminder_id uuid NOT NULL,
    day smallint NOT NULL CHECK (day BETWEEN 0 AND 31),
    closed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, reminder_id, day)
) PARTITION BY LIST (day);
CALL isolate_tenant('closed_timer', worker => true);
DO $$
BEGIN
    FOR day IN 0..31 LOOP
        EXECUTE format('CREATE TABLE closed_timer_%s PARTITION OF closed_timer FOR VALUES IN (%s)', day, day);
        EXECUTE format('REVOKE ALL ON closed_timer_%s FROM scheduler_app', day);
        CALL isolate_tenant(format('closed_timer_%s', day), worker => true);
    END LOOP;
END $$;

-- The place of a day (UTC) in the ring.
CREATE FUNCTION day_of(at timestamptz) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT (floor(extract(epoch FROM at) / 86400)::bigint % 32)::smallint $$;

-- After the insert, as the insert may have waited for the transaction that closed the very timer: only a statement that
-- begins now sees it. In the database, so that the release before, which knows no closed_timer, sets none of them again.
CREATE FUNCTION refuse_closed_timer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM timer WHERE tenant_id = NEW.tenant_id AND reminder_id = NEW.reminder_id AND EXISTS (
        SELECT FROM closed_timer WHERE tenant_id = NEW.tenant_id AND reminder_id = NEW.reminder_id);
    RETURN NULL;
END $$;
CREATE TRIGGER refuse_closed AFTER INSERT ON timer FOR EACH ROW WHEN (NEW.due_at IS NOT NULL)
    EXECUTE FUNCTION refuse_closed_timer();

-- Empties the days of which all is older than 30 days, and answers how many. With the owner's rights, as the app has
-- none to TRUNCATE; it takes no argument, and empties nothing that is younger. A day that is being read is left to the
-- next time. TRUNCATE knows no policies, and what it is decided by does: hence the question for the worker's.
CREATE FUNCTION forget_closed_timers() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '250ms' AS $$
DECLARE
    emptied integer := 0;
    young boolean;
    any_left boolean;
BEGIN
    IF NOT app_worker() THEN
        RAISE insufficient_privilege USING MESSAGE = 'only a worker sees what it would forget';
    END IF;
    FOR day IN 0..31 LOOP
        BEGIN
            EXECUTE format('SELECT EXISTS (SELECT FROM closed_timer_%s WHERE closed_at > now() - interval ''30 days''),'
                ' EXISTS (SELECT FROM closed_timer_%s)', day, day) INTO young, any_left;
            IF any_left AND NOT young THEN
                EXECUTE format('TRUNCATE closed_timer_%s', day);
                emptied := emptied + 1;
            END IF;
        EXCEPTION WHEN lock_not_available THEN
            CONTINUE;
        END;
    END LOOP;
    RETURN emptied;
END $$;
REVOKE ALL ON FUNCTION forget_closed_timers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_closed_timers() TO scheduler_app;
