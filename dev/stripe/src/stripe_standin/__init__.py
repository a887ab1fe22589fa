"""A stateful stand-in for the Stripe API, for development and tests."""
