"""Media in writing. A channel is a `ports.Channel`; `load` finds it by its type."""
