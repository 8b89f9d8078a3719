"""sip/transaction."""
