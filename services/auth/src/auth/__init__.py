"""Users, memberships, sessions, tokens and sign-ups."""
