"""Durable timers for reminders."""
