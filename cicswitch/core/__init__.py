"""What every part stands on: errors, timers, state tables, tokens, TOML with lines, redaction."""
