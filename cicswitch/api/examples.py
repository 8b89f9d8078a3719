"""An example of each body and answer, for the document; tests see that each is a good one."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from cicswitch.acd.explain import AgentExplained, InteractionExplained
from cicswitch.api.accounts.model import Account, AuditEntry, Session, Token
from cicswitch.api.paging import Page
from cicswitch.api.resources import accounts as a
from cicswitch.api.resources import agents as g
from cicswitch.api.resources import alerts as z
from cicswitch.api.resources import aside, joining, oidc
from cicswitch.api.resources import callbacks as b
from cicswitch.api.resources import calls as c
from cicswitch.api.resources import chat as x
from cicswitch.api.resources import configuration as f
from cicswitch.api.resources import conversations as conv
from cicswitch.api.resources import customers as v
from cicswitch.api.resources import documents as d
from cicswitch.api.resources import drafts as dr
from cicswitch.api.resources import faxes as fx
from cicswitch.api.resources import interactions as i
from cicswitch.api.resources import me as m
from cicswitch.api.resources import messages as n
from cicswitch.api.resources import notes as o
from cicswitch.api.resources import prompts as y
from cicswitch.api.resources import queues as q
from cicswitch.api.resources import recordings as w
from cicswitch.api.resources import reports as r
from cicswitch.api.resources import sessions as s
from cicswitch.api.resources import talks as k
from cicswitch.api.resources import tokens as t
from cicswitch.api.resources import trunks as u
from cicswitch.api.resources import webhooks as h
from cicswitch.api.shapes import phone as p
from cicswitch.calls.parties import Mode
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
_CUSTOMER = v.CustomerView(
    customer="c-69fa1b2cd3e100000001",
    name="Park Jihye",
    language="ko",
    segment="gold",
    fields={"contract": "C-4711"},
    addresses=[
        v.AddressView(kind="number", value="+821012345678"),
        v.AddressView(kind="email", value="park@example.com"),
    ],
    created_at=_AT,
    updated_at=_AT,
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
_SAID = x.ChatMessage(
    seq=4711,
    at=_AT,
    to="account:lee",
    sender="lee",
    id="6f1c2a9e-1b7d-4c55",
    text="Lunch at noon?",
)
_CALL = "6925a1c0x4Jq00000001"
_QUALITY = c.LegQuality(
    leg="6925a1c0x4Jq00000002",
    peer="trunk:provider",
    live=False,
    codec="PCMA",
    packets_received=9050,
    packets_sent=9112,
    packets_lost=18,
    far_lost=4,
    jitter_ms=1.8,
    far_jitter_ms=2.1,
    rtt_ms=31.2,
    mos=4.4,
    far_mos=4.41,
)
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

_PARTY = i.PartyView(
    party="6925a1c0x4Jq00000009",
    role="supervisor",
    number="1009",
    agent="",
    account="vera",
    mode="whisper",
    state="up",
)
_CONVERSATION = "6925a1c0x4Jq00000002"
_FAX = fx.FaxView(
    fax="6925a1c0x4Jq00000005",
    direction="out",
    channel="fax",
    conversation=_CONVERSATION,
    number="+8225550100",
    called="+8225550200",
    at=_AT,
    updated_at=_AT + 48,
    state="sent",
    attempts=1,
    pages=1,
    cause="OK",
    ident="+82 2 555 0100",
    t38=True,
    code=0,
    lines=[
        fx.FaxPageView(
            page=1,
            width=1728,
            length=2292,
            x_dpi=204.0,
            y_dpi=196.0,
            bad_rows=0,
            bit_rate=14400,
            encoding="T.6",
            ecm=True,
        )
    ],
    pictures=True,
)
_EXAMPLES: dict[Any, Any] = {
    conv.ConversationView: conv.ConversationView(
        conversation=_CONVERSATION,
        channel="chat",
        medium="chat",
        customer="visitor:8f3a11c0d2b64e07",
        name="Park",
        called="shop",
        subject="",
        language="ko",
        opened_at=_AT,
        updated_at=_AT + 42.5,
        messages=3,
        interaction=_CALL,
        state="talking",
        queue="support",
        agent="kim",
    ),
    conv.MessageView: conv.MessageView(
        message="6925a1c0x4Jq00000003",
        seq=1,
        at=_AT,
        author="customer",
        text="Where is my order?",
        interaction=_CALL,
    ),
    list[conv.MessageView]: [
        conv.MessageView(
            message="6925a1c0x4Jq00000003",
            seq=1,
            at=_AT,
            author="customer",
            text="Where is my order?",
            interaction=_CALL,
        )
    ],
    conv.Writing: conv.Writing(text="Good day, I am looking."),
    conv.AttachmentView: conv.AttachmentView(
        digest="2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        name="contract.pdf",
        media_type="application/pdf",
        size=48211,
    ),
    joining.Merging: joining.Merging(conversation="6925a1c0x4Jq00000011"),
    joining.Splitting: joining.Splitting(message="6925a1c0x4Jq00000003"),
    joining.OpenConversations: joining.OpenConversations([]),
    dr.Drafting: dr.Drafting(text="Good day, I am"),
    dr.DraftView: dr.DraftView(
        conversation=_CONVERSATION, text="Good day, I am", agent="kim", account="kim", at=_AT
    ),
    conv.Reading: conv.Reading(seq=3),
    conv.StartBody: conv.StartBody(
        channel="mail",
        to="park@example.com",
        name="Park",
        subject="Your order 4711",
        text="Good day, your order is on its way.",
    ),
    conv.StartingChannels: conv.StartingChannels(
        [conv.StartingView(channel="mail", medium="email", called=["support@example.com"])]
    ),
    conv.TaskBody: conv.TaskBody(
        channel="crm",
        subject="Claim 4711",
        text="A photo of the damage has come.",
        customer="01012345678",
        external="claim-4711",
        context={"amount": "120"},
    ),
    conv.TaskTaken: conv.TaskTaken(conversation=_CONVERSATION, interaction=_CALL, again=False),
    conv.Answers: conv.Answers(
        [conv.AnswerView("greeting", "Greeting", "Good day Park, this is Kim. How can I help?")]
    ),
    conv.ChannelTested: conv.ChannelTested("mail", "INBOX has 3 messages; the sender is known"),
    list[conv.ChannelView]: [
        conv.ChannelView(
            channel="chat",
            medium="chat",
            type="chat",
            contacts=4,
            undelivered=0,
            dead=0,
            problem="",
            figures={"visits": 7},
        )
    ],
    list[conv.OutboxView]: [
        conv.OutboxView(
            message="6925a1c0x4Jq00000004",
            conversation=_CONVERSATION,
            channel="mail",
            attempts=2,
            due_at=_AT,
            error="the server does not answer",
            dead=False,
        )
    ],
    fx.FaxBody: fx.FaxBody(
        to="+8225550100",
        documents=["2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"],
        cover=True,
        text="As agreed by telephone.",
        subject="Order 4711",
        name="ACME, purchasing",
        sender="Sales, Kim",
    ),
    fx.FaxView: _FAX,
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
    oidc.Providers: oidc.Providers([oidc.Provider("company", "Company account")]),
    oidc.Begun: oidc.Begun("https://login.example.com/authorize?client_id=cicswitch", "6926f1…"),
    oidc.Returned: oidc.Returned("nX5h…", "SplxlOBeZQQYbYS6WxSbIA", "6926f1…"),
    s.SignedIn: s.SignedIn(_ACCOUNT, _SESSION, ["agents:self", "queues:read"], "pGx4…"),
    m.Me: m.Me(
        account=_ACCOUNT, scopes=["agents:self", "queues:read"], via="token", expires_at=None
    ),
    m.NewPassword: m.NewPassword("correct horse battery", "staple of another kind"),
    n.Message: n.Message("The fault in the north is repaired."),
    t.NewToken: t.NewToken("wallboard", ("agents:read", "queues:read")),
    t.TokenMade: t.TokenMade(_TOKEN, "cic_8hJ…"),
    a.NewAccount: a.NewAccount("kim", "correct horse battery", "agent", "Kim Minji", "kim"),
    a.AccountChange: a.AccountChange(role="supervisor"),
    a.PasswordGiven: a.PasswordGiven("staple of another kind"),
    p.PhoneSettings: p.PhoneSettings(
        device="1001",
        path="/sip",
        video=True,
        ice_servers=[
            p.IceServer(urls=["stun:stun.example.com:3478"]),
            p.IceServer(
                urls=["turn:turn.example.com:3478"],
                username="1777971600:kim",
                credential="pGx4…",
            ),
        ],
    ),
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
    g.AgentCapacity: g.AgentCapacity(
        "kim",
        [
            g.MediumCapacity("chat", 3, 2, []),
            g.MediumCapacity("email", 1, 1, ["callback", "chat", "video", "voice"]),
        ],
    ),
    g.AgentToday: g.AgentToday(
        agent="kim",
        since=_AT - 36000,
        at=_AT,
        handled=31,
        missed=1,
        talk_s=6200.0,
        hold_s=310.5,
        wrap_up_s=930.0,
        aht_s=240.0,
        occupancy=0.71,
        signed_in_s=12600.0,
    ),
    g.PauseCode: g.PauseCode("meal"),
    g.Workplace: g.Workplace("1003"),
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
        phase="queued",
        queue="support",
        agent="",
        priority=0,
        segment="vip",
        caller="01012345678",
        caller_name="Kim Minji",
        context={},
        called="5000",
        peer="provider",
        started_at=_AT,
        queued_at=_AT,
        connected_at=None,
        parties=[_PARTY],
    ),
    i.PartyView: _PARTY,
    o.NoteText: o.NoteText("He wants his invoice by post."),
    o.NoteView: o.NoteView(
        interaction=_CALL,
        text="He wants his invoice by post.",
        agent="kim",
        account="kim",
        at=_AT,
    ),
    v.CustomerView: _CUSTOMER,
    v.CustomerBody: v.CustomerBody(
        name="Park Jihye",
        language="ko",
        segment="gold",
        fields={"contract": "C-4711"},
        addresses=[v.AddressBody(kind="number", value="+821012345678")],
    ),
    v.CustomerChange: v.CustomerChange(segment="gold", fields={"contract": "C-4712"}),
    v.AddressBody: v.AddressBody(kind="email", value="park@example.com"),
    v.Joining: v.Joining(customer="c-69fa1b2cd3e100000002"),
    v.ImportBody: v.ImportBody(
        items=[
            v.ImportItem(name="Park Jihye", addresses=["number:+821012345678", "id:4711"]),
            v.ImportItem(name="Lee", segment="gld", addresses=["email:lee@example.com"]),
        ]
    ),
    v.Imported: v.Imported(
        made=1,
        changed=0,
        unchanged=0,
        findings=[
            v.ImportFinding(
                item=1,
                key="segment",
                found="gld",
                expected='a segment (gold); did you mean "gold"?',
            )
        ],
    ),
    v.ContactView: v.ContactView(
        interaction=_CALL,
        medium="voice",
        peer="provider",
        caller="+821012345678",
        called="5000",
        started_at=_AT,
        ended_at=_AT + 190.5,
        queue="support",
        agent="kim",
        wait_s=12.3,
        talk_s=170.0,
        outcome="handled",
        reason="normal",
        code="resolved",
        recorded=True,
        note="He wants his invoice by post.",
        note_agent="kim",
    ),
    k.Target: k.Target("1002"),
    k.Conference: k.Conference(),
    k.Monitoring: k.Monitoring(Mode.WHISPER, "1009"),
    k.Device: k.Device("1009"),
    k.Help: k.Help("He wants his money back."),
    k.Announcement: k.Announcement("recorded-line", "customer"),
    i.MoveTo: i.MoveTo("korean"),
    i.Priority: i.Priority(50),
    aside.Snoozing: aside.Snoozing(preset="tomorrow"),
    aside.DueDate: aside.DueDate(_AT + 3600),
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
        name="Kim Minji",
        note="the invoice of May",
        by="widget:sales",
        zone="Asia/Seoul",
        state="waiting",
        queued_at=_AT,
        attempts=0,
        not_before=0.0,
        expires_at=_AT + 28800,
    ),
    b.CallbackOrder: b.CallbackOrder(
        queue="support", number="+82 10-1234-5678", zone="Asia/Seoul", note="the invoice of May"
    ),
    b.BlockedView: b.BlockedView(
        number="+821012345678", at=_AT, by="account:kim", note="asked us by letter"
    ),
    b.Blocked: b.Blocked(number="+821012345678", note="asked us by letter"),
    u.TrunkView: u.TrunkView(
        trunk="provider",
        up=True,
        calls=12,
        address="sip.example.com",
        at="192.0.2.20",
        problem="",
    ),
    u.DeviceView: u.DeviceView(device="1001", name="Kim", registered=True, agent="kim"),
    c.LegQuality: _QUALITY,
    c.Trace: c.Trace(_CALL, [_STEP], [_QUALITY]),
    f.Codes: f.Codes(
        pause={"1": "break", "2": "meal"}, wrap_up={"1": "resolved"}, skills={"korean": ""}
    ),
    f.Candidate: f.Candidate("[queue.support]\nring_s = 20\n"),
    d.NamedDocument: d.NamedDocument(
        document="dialplans:main.toml", kind="dialplan", file="/etc/cicswitch/dialplans/main.toml"
    ),
    d.DocumentView: d.DocumentView(
        document="dialplans:main.toml",
        kind="dialplan",
        file="/etc/cicswitch/dialplans/main.toml",
        text='[[route]]\ncalled = "5000"\nflow = "queue"\n',
    ),
    d.DocumentText: d.DocumentText('[[route]]\ncalled = "5000"\nflow = "queue"\n'),
    d.NewDocument: d.NewDocument("dialplans:night.toml"),
    d.DocumentSaved: d.DocumentSaved(document="cicswitch.toml", backup=7, notes=[]),
    f.Findings: f.Findings(
        [Finding("cicswitch.toml", 2, "queue.x.ring_s", '"long"', "a whole number of at least 1")]
    ),
    f.Reloaded: f.Reloaded(["listen takes effect at the next start"]),
    h.WebhookView: h.WebhookView(
        webhook="crm",
        url="https://crm.example.com/cic",
        events=["InteractionEnded"],
        queues=[],
        agents=[],
        state="waiting",
        lag_s=0.0,
        delivered=1024,
        failures=2,
        skipped=0,
        attempts=0,
        last_success_at=_AT,
        last_failure_at=None,
        last_error="",
        next_attempt_at=None,
    ),
    y.PromptView: y.PromptView(
        language="en",
        prompt="after-hours",
        source="uploaded",
        duration_s=4.703,
        transcript="Our office is closed now.",
        version="18a3f0c2d4e5b607-12cd",
        used_by=["after-hours.toml:12"],
    ),
    y.PromptFile: y.PromptFile(b"RIFF", "Our office is closed now."),
    y.PromptText: y.PromptText("Our office is closed now."),
    x.ChatRoom: x.ChatRoom(
        to="account:lee",
        name="Lee",
        presence="idle",
        online=True,
        number="1002",
        unread=2,
        last=4711,
    ),
    x.ChatMessage: _SAID,
    x.ChatMessages: x.ChatMessages([_SAID], more=False),
    x.ChatText: x.ChatText("account:lee", "Lunch at noon?", "6f1c2a9e-1b7d-4c55"),
    x.ChatRead: x.ChatRead("account:lee", 4711),
    z.AlertView: z.AlertView(
        alert="8f3a01c2d4e5b607",
        name="long-wait",
        figure="longest_wait_s",
        subject="support",
        direction="above",
        threshold=60.0,
        clear=30.0,
        severity="warning",
        value=74.2,
        raised_at=_AT,
        acknowledged_by="",
        acknowledged_at=None,
        ended_at=None,
        reason="",
    ),
    h.WebhookTested: h.WebhookTested(delivered=True, status=204, error="", took_s=0.043),
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
        videos=[w.VideoView(side="customer", size=9120433, start_s=0.412)],
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
