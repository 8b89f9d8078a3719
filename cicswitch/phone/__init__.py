"""The headless phone: PJSIP (pjsua2) in a process of its own.

PJSIP is GPL, so the switch never imports it: `python -m cicswitch.phone` is a program beside the
switch, an implementation of SIP that is not ours, for tests, the demo and people's own trials. It
takes commands as lines of JSON on its standard input and writes what happens as lines of JSON on
its standard output; `cicswitch phone` puts options and words in front of the same thing.

    {"do": "call", "to": "5000"}                {"event": "incoming", "call": 0, "from": "sip:…"}
    {"do": "answer", "call": 0}                 {"event": "confirmed", "call": 0}
    {"do": "dtmf", "call": 0, "digits": "12"}   {"event": "dtmf", "call": 0, "digit": "5"}
    {"do": "hangup", "call": 0}                 {"event": "disconnected", "call": 0, "status": 200}
"""
