"""The dialplan: what happens to a call, in TOML.

A file has routes, hours and flows. A route says which calls it takes (trunk, called and caller
number, hours) and which flow they follow; a flow is a list of steps, taken one after the other
unless a step names another one to go to.

    model   the Structs that a file decodes into
    load    files -> Dialplan, with every mistake as a finding
    match   a call -> the route that takes it
    run     one call's way through its flow: events in, actions out
    journey scripted calls, the tests of a dialplan
"""
