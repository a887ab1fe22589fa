"""Availability, holds and appointments that cannot overlap."""
