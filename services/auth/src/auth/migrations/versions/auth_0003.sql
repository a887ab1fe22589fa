-- Refresh tokens by generation: what a token of one is exchanged for is of the next, and an exchange that is repeated at
-- once gives another of the same. The session has the last generation that was used, and when it was used first.
-- A token of the release before has no generation until it is used.
ALTER TABLE session
    ADD COLUMN generation integer NOT NULL DEFAULT 0,
    ADD COLUMN refreshed_at timestamptz;
ALTER TABLE refresh_token ADD COLUMN generation integer;
