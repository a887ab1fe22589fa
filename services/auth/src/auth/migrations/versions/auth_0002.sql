-- The session that a password opened, and with which all that it opened at other businesses end; null for itself.
ALTER TABLE session ADD COLUMN family_id uuid;
