"""A tenant's Stripe customer, subscription, invoices and use."""
