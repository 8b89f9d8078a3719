"""legs."""
