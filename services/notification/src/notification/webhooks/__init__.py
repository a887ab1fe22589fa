"""Signed webhooks (https://www.standardwebhooks.com): a business's endpoints, and what is delivered to them."""
