"""The ACD: every interaction in one engine, assigned by skills.

    commands     what can be asked of the engine
    events       what has happened in it
    agent        the states of an agent, as a table
    interaction  the states of an interaction, as a table
    queue        queue settings, lines of waiting interactions, profiles of agents
    engine       the only owner of all of these

States and authority. Only `engine` changes an agent, a queue or an interaction; everything else
sends commands and reads events. Each state that must pass by itself has a deadline on the wheel: a
reservation (`ring_s`), after-call work (`wrap_up_s`), a rejecting agent's pause (`reject_pause_s`)
and a wait that the queue or the dialplan limits.

A command that names what does not exist raises `NotFound`; one that comes too late raises
`Conflict`. Neither changes anything, which is how the caller who hangs up in the same instant that
the agent answers leaves no reservation behind: whichever command comes second is refused.

Invariant: no interaction waits beside an idle agent who may take it. So a change needs one look
only: an interaction that begins to wait looks for an agent, an agent who becomes idle looks for an
interaction.
"""
