-- What the loop that drops what has served its time looks for each minute, among what is still good.
CREATE INDEX session_ended_at ON session (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX invitation_link_expires_at ON invitation_link (expires_at);
CREATE INDEX password_reset_expires_at ON password_reset (expires_at);

-- A session is looked up by its id alone, in whichever business: the key begins with the business, and was read whole.
CREATE INDEX session_by_id ON session (session_id);
