"""What the command line shows: the start message, reports, ladders, and `top`."""
