"""cicswitch."""
