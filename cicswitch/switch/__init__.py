"""The conductor: the one place where the parts meet.

Events of legs, media and ACD come in; commands go back to legs, media and ACD. It imports domain
and ports, never a shell.

    conductor  the tables of calls and legs, and who handles which event
    steps      what a dialplan run asks for
    queueing   offers to agents, the answer, the end of a talk
    dialling   ringing several targets, first answer wins
    transfers  REFER: blind and attended
    features   the codes that agents dial
    listening  what each leg hears, and what is recorded
"""

from cicswitch.switch.conductor import Conductor
from cicswitch.switch.environment import Environment

__all__ = ["Conductor", "Environment"]
