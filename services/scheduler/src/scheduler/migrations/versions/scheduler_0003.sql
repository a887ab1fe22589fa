-- Until when each partition of the requests and withdrawals has been read: of what is due behind that, a withdrawal may
-- still be on its way (docs/adr/0028). Written every second by whoever reads the partition, hence room on the page.
CREATE TABLE read_until (
    topic text NOT NULL,
    partition integer NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 10);
ALTER TABLE read_until ENABLE ROW LEVEL SECURITY;
ALTER TABLE read_until FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON read_until USING (app_worker());
