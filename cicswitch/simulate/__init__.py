"""Simulation: the production engine at virtual time, with customers and agents who are drawn.

    scenario    TOML -> Model            what comes, when, for how long; who works when
    history     a store's day -> Model   what came that day
    model       what a simulation needs to know
    times       how long something takes: exponential, lognormal, constant, measured
    sources     Model -> arrivals, drawn in blocks
    run         the loop: the next of what is to happen, the engine, what follows
    tally       what is counted meanwhile
    results     figures of queues and agents, by seed and over seeds with their confidence

Nothing is approximated: routing, priorities, rings, limits and wrap-up are the engine's own. What
is assumed is in the scenario. The same scenario and seed give the same figures on every machine
with the same numpy, and the same customers come whatever the queues and agents are.
"""
