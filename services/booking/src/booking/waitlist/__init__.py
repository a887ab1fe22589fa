"""Who waits for a time that is taken, and is offered it once it is free (docs/recurring-and-waitlist.md)."""
