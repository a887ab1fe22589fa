"""Mail, SMS and webhooks, each taking effect once."""
