"""What a business keeps and takes out: customers, exports, calendar feeds (docs/records.md)."""
