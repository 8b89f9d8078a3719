"""SIP without I/O: bytes and a clock value in, bytes and events out (RFC 3261 and its kin).

user_agent    the core that a shell drives: receive, flow_failed, take_outputs, take_events
session       one call leg, with the verbs of a call
dialog        identifiers, sequence numbers, routes
transaction/  the four machines as tables, and what carries them out
parse, write, framing, message, uri, names      messages
auth, registrar, registration                   who may, and who is where
"""
