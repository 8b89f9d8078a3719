"""Scenarios for SIPp that stand on their own feet in a network that loses packets.

Every request is sent again until it is answered, and a finished call stays a while to answer what
is sent to it again. Each caller is 5550 and the number of the call.
"""

from __future__ import annotations

from pathlib import Path

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="{name}">\n'
_SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
"""
# SIPp numbers branches by step: `[branch-5]` five steps later is that of the INVITE at step 0.
_VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
_FROM = "From: <sip:5550[call_number]@[local_ip]:[local_port]>;tag=[pid]c[call_number]\n"
_TO = "To: <sip:[service]@[remote_ip]:[remote_port]>"
_URI = "sip:[service]@[remote_ip]:[remote_port]"
_ECHO = "[last_Via:]\n[last_From:]\n[last_To:]{tag}\n[last_Call-ID:]\n{cseq}\n"
_CONTACT = "Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>\n"
_EMPTY = "Content-Length: 0\n"
_TAG = ";tag=[pid]s[call_number]"


def _send(text: str, *, again: bool = False) -> str:
    attribute = ' retrans="500"' if again else ""
    return f"<send{attribute}><![CDATA[\n{text}\n]]></send>\n"


def _request(method: str, cseq: int, *, to: str = "[last_To:]", branch: str = "[branch]") -> str:
    via = _VIA.replace("[branch]", branch)
    text = f"{method} {_URI} SIP/2.0\n{via}{_FROM}{to}\nCall-ID: [call_id]\n"
    return f"{text}CSeq: {cseq} {method}\nMax-Forwards: 70\n"


def _reply(status: str, *, tag: str = _TAG, cseq: str = "[last_CSeq:]") -> str:
    return f"SIP/2.0 {status}\n{_ECHO.format(tag=tag, cseq=cseq)}"


INVITE = _send(_request("INVITE", 1, to=_TO) + _CONTACT + _SDP, again=True)
PROVISIONAL = '<recv response="100" optional="true"/>\n<recv response="183" optional="true"/>\n'
RINGING = '<recv response="180" optional="true"/>\n'
OK = '<recv response="200"/>\n'
ACK = _send(_request("ACK", 1) + _EMPTY)
BYE = _send(_request("BYE", 2) + _EMPTY, again=True)
OK_TO_REQUEST = _send(_reply("200 OK", tag="") + _EMPTY)
STAY = '<timewait milliseconds="1500"/>\n'
END = "</scenario>\n"

_CALLED = (
    '<recv request="INVITE" rrs="true"/>\n'
    + _send(_reply("180 Ringing") + _CONTACT + _EMPTY)
    + '<pause milliseconds="200"/>\n'
)
_ANSWER = _send(_reply("200 OK") + _CONTACT + _SDP, again=True)
_KEPT = """<recv request="ACK"><action>
<ereg regexp=".*" search_in="hdr" header="From:" assign_to="caller"/>
<ereg regexp=".*" search_in="hdr" header="To:" assign_to="callee"/>
</action></recv>
"""


def _pause(ms: int) -> str:
    return f'<pause milliseconds="{ms}"/>\n'


CALLER = {
    "caller hangs up": INVITE + PROVISIONAL + RINGING + OK + ACK + _pause(1500) + BYE + OK,
    "callee hangs up": INVITE
    + PROVISIONAL
    + RINGING
    + OK
    + ACK
    + '<recv request="BYE"/>\n'
    + OK_TO_REQUEST
    + STAY,
    "caller cancels": INVITE
    # A 180 that is lost never comes again: cancel without it. SIPp counts the time of each step.
    + PROVISIONAL.replace("/>", ' timeout="1200" ontimeout="cancel"/>')
    + '<recv response="180" timeout="1200" ontimeout="cancel"/>\n'
    + _pause(200)
    + '<label id="cancel"/>\n'
    + _send(_request("CANCEL", 1, to=_TO, branch="[branch-5]") + _EMPTY, again=True)
    + '<recv response="200" optional="true"/>\n<recv response="487"/>\n'
    + _send(_request("ACK", 1, branch="[branch-8]") + _EMPTY)
    + STAY,
}
CALLEE = {
    "caller hangs up": _CALLED
    + _ANSWER
    + '<recv request="ACK"/>\n<recv request="BYE"/>\n'
    + OK_TO_REQUEST
    + STAY,
    "callee hangs up": _CALLED
    + _ANSWER
    + _KEPT
    + _pause(1500)
    + _send(
        f"BYE [next_url] SIP/2.0\n{_VIA}From: [$callee]\nTo: [$caller]\nCall-ID: [call_id]\n"
        f"CSeq: 2 BYE\nMax-Forwards: 70\n{_EMPTY}",
        again=True,
    )
    + OK,
    "caller cancels": '<recv request="INVITE"/>\n'
    + _send(_reply("180 Ringing") + _CONTACT + _EMPTY)
    + '<recv request="CANCEL"/>\n'
    + OK_TO_REQUEST
    + _send(_reply("487 Request Terminated", cseq="CSeq: 1 INVITE") + _EMPTY, again=True)
    + '<recv request="ACK"/>\n'
    + STAY,
}


def write(folder: Path, name: str, steps: str) -> Path:
    """A scenario as a file for `-sf`."""
    path = folder / f"{name.replace(' ', '-')}.xml"
    path.write_text(_HEAD.format(name=name) + steps + END)
    return path
