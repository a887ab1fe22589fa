"""Help for tests of services: tokens that verify, and nothing that the test stack has for real."""
