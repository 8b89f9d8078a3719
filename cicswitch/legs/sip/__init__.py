"""SIP legs: joins SIP, SDP and media to what the conductor understands.

stack    the user agent on its sockets; which event goes to which leg
leg      one INVITE session with its media
devices  phones that register here
trunks   other switches: who calls from where, numbers, registration, health
status   reasons <-> SIP statuses
ladder   the messages of each call, for `cicswitch trace`
"""

from cicswitch.legs.sip.stack import SipStack

__all__ = ["SipStack"]
