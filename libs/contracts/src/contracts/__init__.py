"""The events and records that Slotwright's parts exchange."""
