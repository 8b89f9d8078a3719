"""`cicswitch demo`: a switch with four agents and a stream of customers, all on this machine.

The switch is `cicswitch run` in a folder of its own. Agents and customers are PJSIP phones in
processes of their own; further customers come from SIPp through a trunk. They speak sentences of
espeak-ng, choose a language, wait, talk, hang up or give up. All processes are children of this
one, in sessions of their own, and are ended by their ids whatever happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from cicswitch.api.control import request
from cicswitch.config import load
from cicswitch.core.errors import CicError, ResourceError
from cicswitch.terminal.top import View, watch

__all__ = ["run_demo"]

SIPP_HOST = "127.0.0.2"
AGENTS = {"kim": "1001", "lee": "1002", "park": "1003", "choi": "1004"}
_AGENT_SAYS = (
    "Good morning, this is the support desk. What can I do for you? Let me look that up.",
    "Thank you for waiting. I see your order here. It is on its way.",
    "Hello, you are speaking with the service team. Please tell me your customer number.",
    "Yes, I understand. I will send you a new one today. Is there anything else?",
)
_CUSTOMER_SAYS = (
    "Hello, my parcel has not come yet. Could you tell me where it is?",
    "I would like to change my address, please. I moved last week.",
    "My invoice is wrong. I was charged twice this month.",
    "Good day. How do I get back into my account? I forgot my password.",
)
_SIPP_SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="a customer of the trunk">
  <send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:{caller}@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:{caller}@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:{caller}@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
[routes]
Max-Forwards: 70
Content-Length: 0

]]></send>
  <pause milliseconds="{stays_ms}"/>
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:{caller}@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
[routes]
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>
</scenario>
"""


def run_demo(*, seconds: float, seed: int, keep: bool) -> None:
    """Run the demo, print its report. Raises `ResourceError` in one line if a part is missing."""
    missing = [
        f"{package} (apt-get install {package})"
        for command, package in (("espeak-ng", "espeak-ng"), ("sipp", "sip-tester"))
        if shutil.which(command) is None
    ]
    if importlib.util.find_spec("pjsua2") is None:
        missing.append("PJSIP (make setup in a clone, or pip install 'cicswitch[phone]')")
    if missing:
        raise ResourceError(f"the demo needs {', '.join(missing)}")
    folder = Path(tempfile.mkdtemp(prefix="cicswitch-demo-"))
    try:
        asyncio.run(_Demo(folder, seconds, random.Random(seed)).run())
    finally:
        if keep:
            print(f"kept: {folder} (cicswitch report -c {folder / 'cicswitch.toml'})")
        else:
            shutil.rmtree(folder, ignore_errors=True)


class _Phone:
    """A PJSIP phone: commands in, events awaited."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def do(self, what: str, **values: Any) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self.process.stdin.write(json.dumps({"do": what, **values}).encode() + b"\n")

    async def expect(self, *events: str, timeout_s: float = 20.0) -> str:
        """The next of these events; "" when the phone ended or the time is over."""
        assert self.process.stdout is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while line := await self.process.stdout.readline():
                    event = json.loads(line)
                    # A registration counts when it was accepted.
                    if event["event"] in events and event.get("status", 200) in (200, "active"):
                        return str(event["event"])
                    if event["event"] in events and event["event"] == "disconnected":
                        return "disconnected"
        return ""


class _Demo:
    def __init__(self, folder: Path, seconds: float, chance: random.Random) -> None:
        self.folder, self.seconds, self.chance = folder, seconds, chance
        self.sip, self.http, self.trunk = _ports(3)
        self.config = folder / "cicswitch.toml"
        self.socket = folder / "var/control.sock"
        self.processes: list[asyncio.subprocess.Process] = []
        self.readers: list[asyncio.Task[None]] = []
        self.over = threading.Event()
        self._rtp = 4000
        self._customers = 0
        self._began = time.time()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.over.set)
        tasks: list[asyncio.Task[None]] = []
        try:
            self._write()
            print("demo: speaking the sentences, starting the switch and four agents …", flush=True)
            await asyncio.gather(*(asyncio.to_thread(self._speak, *item) for item in self._texts()))
            switch = await self._start_switch()
            await asyncio.gather(*(self._agent(*item) for item in enumerate(AGENTS.items())))
            customers = (*(self._callers(line) for line in range(4)), self._trunk_callers())
            tasks += [asyncio.create_task(customer, name="customers") for customer in customers]
            end = loop.call_later(self.seconds, self.over.set)
            await self._show(switch)
            end.cancel()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._end()
            await asyncio.gather(*self.readers)
        self._report()

    # -- parts -----------------------------------------------------------------------------------

    def _write(self) -> None:
        """The default configuration with ports of its own, and the trunk of SIPp."""
        source = _built_in()
        text = source.read_text()
        text = text.replace(":5060", f":{self.sip}").replace(":8080", f":{self.http}")
        text = text.replace("wrap_up_s = 30", "wrap_up_s = 3")
        text += f'\n[trunk.sipp]\naddress = "udp:{SIPP_HOST}:{self.trunk}"\noptions_s = 0\n'
        self.config.write_text(text)
        shutil.copytree(source.parent / "dialplans", self.folder / "dialplans")

    def _texts(self) -> list[tuple[str, str]]:
        agents = [(f"agent{i}", text) for i, text in enumerate(_AGENT_SAYS)]
        return agents + [(f"customer{i}", text) for i, text in enumerate(_CUSTOMER_SAYS)]

    def _speak(self, name: str, text: str) -> None:
        path = self.folder / f"{name}.wav"
        spoken = subprocess.run(["espeak-ng", "-w", str(path), text], capture_output=True)
        if spoken.returncode:
            raise ResourceError(f"espeak-ng: {spoken.stderr.decode().strip()}")

    async def _spawn(self, *command: str, pipes: bool = False) -> asyncio.subprocess.Process:
        with (self.folder / "processes.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE if pipes else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if pipes else log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for this process, which ends the others
            )
        self.processes = [p for p in self.processes if p.returncode is None]
        self.processes.append(process)
        return process

    async def _start_switch(self) -> asyncio.subprocess.Process:
        program = (sys.executable, "-m", "cicswitch.cli", "run", "-c", str(self.config))
        switch = await self._spawn(*program)
        for _ in range(100):
            with contextlib.suppress(CicError):
                await asyncio.to_thread(request, self.socket, {"do": "ping"})
                return switch
            if switch.returncode is not None or self.over.is_set():
                break
            await asyncio.sleep(0.1)
        log = (self.folder / "processes.log").read_text().strip().splitlines()
        raise ResourceError(f"the switch did not start: {log[-1] if log else 'no reason given'}")

    async def _phone(self, user: str, play: str, *options: str) -> _Phone:
        self._rtp = 4000 + (self._rtp - 4000 + 20) % 2000
        command = (
            *(sys.executable, "-m", "cicswitch.phone", "--server", f"127.0.0.1:{self.sip}"),
            *("--user", user, "--password", f"phone-{user}", "--rtp-port", str(self._rtp)),
            *("--play", str(self.folder / play), "--loop", *options),
        )
        phone = _Phone(await self._spawn(*command, pipes=True))
        await phone.expect("ready")
        return phone

    async def _agent(self, index: int, item: tuple[str, str]) -> None:
        """Register, and dial *71."""
        after = f"{self.chance.uniform(1, 3):.1f}"
        options = ("--register", "--answer-after", after)
        phone = await self._phone(item[1], f"agent{index}.wav", *options)
        await phone.expect("registration")
        for _ in range(5):  # a busy machine may refuse a call with 503; one dials again then
            phone.do("call", to="*71")
            await phone.expect("disconnected")
            agents = (await asyncio.to_thread(request, self.socket, {"do": "snapshot"}))["agents"]
            if any(a["agent"] == item[0] and a["state"] != "offline" for a in agents):
                break
            await asyncio.sleep(0.5)
        self.readers.append(asyncio.create_task(_drain(phone), name=f"reads-{item[0]}"))

    async def _callers(self, line: int) -> None:
        """One customer after the other, with a pause between."""
        chance = self.chance
        await asyncio.sleep(line * 1.5)
        # The first one of all gives up before any agent can answer: however short a demo is, it
        # shows that too.
        hasty = line == 0
        while True:
            self._customers += 1
            phone = await self._phone("2001", f"customer{self._customers % 4}.wav")
            try:
                if hasty:
                    await self._call(phone, 0.5)
                elif chance.random() < 0.25:  # an impatient one
                    await self._call(phone, chance.uniform(1.0, 6.0))
                else:
                    await self._call(phone, chance.uniform(8.0, 25.0))
                hasty = False
            finally:
                phone.do("quit")
                await _ended(phone.process, 3.0)
            await asyncio.sleep(chance.uniform(0.5, 3.0))

    async def _call(self, phone: _Phone, stays: float) -> None:
        """Choose a language, and stay so long: an agent needs some seconds to answer and help."""
        chance = self.chance
        phone.do("call", to="5001")
        if await phone.expect("confirmed", "disconnected") != "confirmed":
            return
        await asyncio.sleep(chance.uniform(1.0, 4.0))
        phone.do("dtmf", digits=chance.choice("12"))
        await phone.expect("disconnected", timeout_s=stays)
        phone.do("hangup")
        await phone.expect("disconnected", timeout_s=5.0)

    async def _trunk_callers(self) -> None:
        """Customers behind the trunk, by SIPp; they wait in the queue of 5000."""
        number = 0
        while True:
            await asyncio.sleep(self.chance.uniform(2.0, 8.0))
            number += 1
            stays_ms = int(self.chance.uniform(4, 20) * 1000)
            scenario = self.folder / f"sipp{number}.xml"
            text = _SIPP_SCENARIO.replace("{caller}", f"0212345{number:03}")
            scenario.write_text(text.replace("{stays_ms}", str(stays_ms)))
            process = await self._spawn(
                *("sipp", f"127.0.0.1:{self.sip}", "-sf", str(scenario), "-s", "5000", "-m", "1"),
                *("-i", SIPP_HOST, "-p", str(self.trunk), "-nostdin", "-timeout", "60"),
            )
            await process.wait()

    # -- show and end ----------------------------------------------------------------------------

    async def _show(self, switch: asyncio.subprocess.Process) -> None:
        left = f"demo: ends by itself after {self.seconds:.0f} s with the report; q quits"
        view = View(self.socket, left)
        if sys.stdout.isatty():
            await asyncio.to_thread(watch, view, 1.0, self.over)
            return
        said = time.monotonic()
        while not self.over.is_set():
            await asyncio.sleep(0.2)
            if switch.returncode is not None:
                raise ResourceError("the switch ended")
            if time.monotonic() - said >= 10:
                said += 10
                await asyncio.to_thread(view.look)
                print(_line(view), flush=True)

    async def _end(self) -> None:
        """Customers and agents first, then the switch, which writes its books."""
        switch, others = self.processes[:1], self.processes[1:]
        for group in (others, switch):
            for process in group:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            await asyncio.gather(*(_ended(process, 10.0) for process in group))
            if group is others:
                await self._quiet()

    async def _quiet(self) -> None:
        """Until the switch has noticed that its calls are over, for a few seconds."""
        for _ in range(20):
            with contextlib.suppress(CicError):
                snapshot = await asyncio.to_thread(request, self.socket, {"do": "snapshot"})
                for call in snapshot["calls"]:
                    asked = {"do": "hangup", "interaction": call["interaction"]}
                    with contextlib.suppress(CicError):
                        await asyncio.to_thread(request, self.socket, asked)
                if snapshot["calls"]:
                    await asyncio.sleep(0.1)
                    continue
            return

    def _report(self) -> None:
        from cicswitch.reporting import gather, limits_of
        from cicswitch.terminal.report import print_tables

        config, now = load(self.config), time.time()
        place = config.store_place()
        report = gather(place, limits_of(config), self._began, now, "answered_or_abandoned")
        print_tables(report, Console(width=None if sys.stdout.isatty() else 160))


def _built_in() -> Path:
    """The configuration that the package carries; one in this folder has other agents."""
    package = Path(__file__).parent
    for folder in (package / "_data", package.parent):
        if (folder / "cicswitch.toml").exists() and (folder / "dialplans").is_dir():
            return folder / "cicswitch.toml"
    raise ResourceError("the default configuration is missing from this installation")


async def _drain(phone: _Phone) -> None:
    """Read an agent's events, so that its pipe never fills."""
    assert phone.process.stdout is not None
    while await phone.process.stdout.readline():
        pass


async def _ended(process: asyncio.subprocess.Process, seconds: float) -> None:
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _line(view: View) -> str:
    if view.data is None:
        return f"demo: {view.error}"
    data = view.data
    total = {
        key: sum(queue[key] for queue in data["queues"])
        for key in ("waiting", "offered", "answered", "abandoned")
    }
    talking = sum(agent["state"] == "talking" for agent in data["agents"])
    return (
        f"{data['health']['uptime_s']:5.0f} s  {data['call_count']} calls,"
        f" {total['waiting']} waiting, {talking} of {data['agent_count']} agents talk;"
        f" {total['offered']} offered,"
        f" {total['answered']} answered, {total['abandoned']} abandoned"
    )


def _ports(count: int) -> list[int]:
    """Ports that are free for UDP and TCP, below the ephemeral range."""
    found: list[int] = []
    for port in range(15_060, 16_000, 7):
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                for host in ("127.0.0.1", SIPP_HOST):
                    with socket.socket(socket.AF_INET, kind) as probe:
                        probe.bind((host, port))
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            return found
    raise ResourceError("no ports from 15060 to 16000 are free for the demo")
