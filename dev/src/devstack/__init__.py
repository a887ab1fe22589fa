"""The local stack on real parts: backing services, supervisor, demo."""
