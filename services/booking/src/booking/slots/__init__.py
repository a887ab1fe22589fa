"""Which starts a service can be booked at, and who is taken for one. Pure: no database, no clock."""
