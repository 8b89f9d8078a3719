"""The durable store: the journal and the rows that are booked from it."""
