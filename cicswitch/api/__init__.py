"""Ways in for people and programs: the control socket, and HTTP for health and metrics."""
