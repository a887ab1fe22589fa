"""Mail and text messages to customers, each taking effect once."""
