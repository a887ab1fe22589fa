"""The pages: public booking and dashboard, a client of the gateway."""
