"""The one way in: tokens, tenant scope, rate limits, routing."""
