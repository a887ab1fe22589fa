"""Turns Tenant and Plan objects into quotas, Kafka topics and subscriptions."""
