"""The web console: its sources, and `dist`, which the API's server serves."""
