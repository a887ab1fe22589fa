"""Staff members' other calendars, whose times are kept free of appointments (docs/records.md)."""
