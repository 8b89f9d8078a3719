"""Kinds of legs. `sip` is the one there is; others meet the conductor through `ports` alike."""
