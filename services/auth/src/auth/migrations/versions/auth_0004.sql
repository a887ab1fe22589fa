ALTER TABLE session
    DROP CONSTRAINT session_ended_because_check,
    ADD CONSTRAINT session_ended_because_check
        CHECK (ended_because IN ('signed-out', 'token-reused', 'password-set', 'role-changed'));
