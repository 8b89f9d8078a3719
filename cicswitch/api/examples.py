"""An example of each body and answer, for the document; tests see that each is a good one."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from cicswitch.acd.explain import AgentExplained, InteractionExplained
from cicswitch.api.accounts.model import Account, AuditEntry, Session, Token
from cicswitch.api.paging import Page
from cicswitch.api.resources import accounts as a
from cicswitch.api.resources import agents as g
from cicswitch.api.resources import callbacks as b
from cicswitch.api.resources import calls as c
from cicswitch.api.resources import configuration as f
from cicswitch.api.resources import interactions as i
from cicswitch.api.resources import me as m
from cicswitch.api.resources import queues as q
from cicswitch.api.resources import recordings as w
from cicswitch.api.resources import reports as r
from cicswitch.api.resources import sessions as s
from cicswitch.api.resources import tokens as t
from cicswitch.api.resources import trunks as u
from cicswitch.core.toml import Finding
from cicswitch.records.report import FORMULAS, AgentFigures, QueueFigures

__all__ = ["of"]

_AT = 1777885200.0
_ACCOUNT = Account(
    name="kim",
    display_name="Kim Minji",
    role="agent",
    agent="kim",
    created_at=_AT,
    changed_at=_AT,
)
_SESSION = Session(
    id="5f0c2a9be3d14871",
    account="kim",
    created_at=_AT,
    seen_at=_AT,
    expires_at=_AT + 43200,
    address="192.0.2.7",
    client="Mozilla/5.0",
)
_TOKEN = Token(
    id="0d9c41aa27be66f0",
    account="wall",
    label="wallboard",
    scopes=("agents:read", "queues:read"),
    created_at=_AT,
    expires_at=_AT + 90 * 86400,
)
_CALL = "6925a1c0x4Jq00000001"
_STEP = c.SipStep(
    leg="6925a1c0x4Jq00000002",
    at=_AT,
    direction="in",
    peer="192.0.2.20:5060",
    line="INVITE sip:5000@192.0.2.1 SIP/2.0",
    cseq="1 INVITE",
    sdp=True,
)
_QUEUE_FIGURES = QueueFigures(
    queue="support",
    threshold_s=20,
    offered=10,
    answered=9,
    answered_within=8,
    abandoned=1,
    handled=9,
    service_level=0.8,
    asa_s=11.2,
)
_AGENT_FIGURES = AgentFigures(agent="kim", answered=9, handled=9, aht_s=201.5, occupancy=0.71)

_EXAMPLES: dict[Any, Any] = {
    Account: _ACCOUNT,
    Session: _SESSION,
    Token: _TOKEN,
    AuditEntry: AuditEntry(
        id=42,
        at=_AT,
        who="root",
        via="session",
        address="192.0.2.7",
        action="account.change",
        target="kim",
        before={"role": "agent"},
        after={"role": "supervisor"},
    ),
    s.SetUp: s.SetUp("ABCD-EFGH-IJKL-MNOP", "root", "correct horse battery"),
    s.SignIn: s.SignIn("kim", "correct horse battery"),
    s.SignedIn: s.SignedIn(_ACCOUNT, _SESSION, ["agents:self", "queues:read"], "pGx4…"),
    m.Me: m.Me(
        account=_ACCOUNT, scopes=["agents:self", "queues:read"], via="token", expires_at=None
    ),
    m.NewPassword: m.NewPassword("correct horse battery", "staple of another kind"),
    t.NewToken: t.NewToken("wallboard", ("agents:read", "queues:read")),
    t.TokenMade: t.TokenMade(_TOKEN, "cic_8hJ…"),
    a.NewAccount: a.NewAccount("kim", "correct horse battery", "agent", "Kim Minji", "kim"),
    a.AccountChange: a.AccountChange(role="supervisor"),
    a.PasswordGiven: a.PasswordGiven("staple of another kind"),
    q.QueueView: q.QueueView(
        queue="support",
        at=_AT,
        open=True,
        waiting=3,
        callbacks=0,
        longest_wait_s=41.5,
        ewt_p50_s=55.0,
        ewt_p90_s=140.2,
        signed_in=12,
        idle=0,
        offered=310,
        answered=296,
        abandoned=11,
        flowed_out=0,
        service_level=0.8421,
        asa_s=14.3,
    ),
    g.AgentView: g.AgentView(
        agent="kim",
        name="Kim Minji",
        state="talking",
        since=_AT,
        code="",
        then="",
        interaction=_CALL,
        queue="support",
        in_hand={"voice": 1},
        device="1001",
    ),
    g.PauseCode: g.PauseCode("meal"),
    g.WrapUpCode: g.WrapUpCode("resolved"),
    g.AgentSkills: g.AgentSkills({"korean": 90, "english": 60}, {"english": 20}),
    g.ExplainedAgent: g.ExplainedAgent(
        ["kim is talking, with 1 voice in hand of 1 voice."],
        AgentExplained(agent="kim", state="talking"),
    ),
    i.InteractionView: i.InteractionView(
        interaction=_CALL,
        medium="voice",
        state="waiting",
        queue="support",
        agent="",
        priority=0,
        segment="vip",
        caller="01012345678",
        called="5000",
        peer="provider",
        started_at=_AT,
        queued_at=_AT,
        connected_at=None,
    ),
    i.MoveTo: i.MoveTo("korean"),
    i.Priority: i.Priority(50),
    i.Placed: i.Placed(_CALL, "korean", 1),
    i.ExplainedInteraction: i.ExplainedInteraction(
        [f"{_CALL} waits in support."],
        InteractionExplained(interaction=_CALL, queue="support", medium="voice", state="waiting"),
        1,
    ),
    b.CallbackView: b.CallbackView(
        interaction=_CALL,
        queue="support",
        number="01012345678",
        state="waiting",
        queued_at=_AT,
        attempts=0,
        not_before=0.0,
        expires_at=_AT + 28800,
    ),
    u.TrunkView: u.TrunkView(
        trunk="provider",
        up=True,
        calls=12,
        address="sip.example.com",
        at="192.0.2.20",
        problem="",
    ),
    u.DeviceView: u.DeviceView(device="1001", name="Kim", registered=True, agent="kim"),
    c.Trace: c.Trace(_CALL, [_STEP]),
    f.Codes: f.Codes(
        pause={"1": "break", "2": "meal"}, wrap_up={"1": "resolved"}, skills={"korean": ""}
    ),
    f.Candidate: f.Candidate("[queue.support]\nring_s = 20\n"),
    f.Findings: f.Findings(
        [Finding("cicswitch.toml", 2, "queue.x.ring_s", '"long"', "a whole number of at least 1")]
    ),
    f.Reloaded: f.Reloaded(["listen takes effect at the next start"]),
    w.RecordingView: w.RecordingView(
        recording=f"{_CALL}-1",
        interaction=_CALL,
        kind="recording",
        started_at=_AT,
        duration_s=182.5,
        queue="support",
        agent="kim",
        caller="01012345678",
        called="5000",
        segment="vip",
        box="",
        error="",
        gone=False,
        channels=2,
        size=5840044,
    ),
    w.Waveform: w.Waveform(duration_s=182.5, channels=[[0.0, 0.412], [0.305, 0.0]]),
    r.ReportView: r.ReportView(
        begin="2026-05-04T00:00:00+00:00",
        end="2026-05-04T09:00:00+00:00",
        service_level="answered_or_abandoned",
        formulas={"asa_s": FORMULAS["asa_s"]},
        queues=[_QUEUE_FIGURES],
        agents=[_AGENT_FIGURES],
        interactions={"handled": 9, "abandoned": 1},
        by="queue",
        intervals=[],
    ),
}


def of(kind: Any) -> Any:
    """The example of a kind; None: there is none."""
    if get_origin(kind) is Page:
        item = of(get_args(kind)[0])
        return None if item is None else Page([item], "a2lt")
    return _EXAMPLES.get(kind)
