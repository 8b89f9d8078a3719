"""Faxes over the API: what has come is looked at, what is to go is ordered and reported."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from cicswitch.api.shapes.faxes import FaxBody
from cicswitch.client import Client
from cicswitch.contacts import events as ce
from tests.api.served import EXTRA, problem, served
from tests.channels.test_chat import taken
from tests.channels.test_fax import WHOLE, came, fax
from tests.support.fax import pdf_file
from tests.support.ports import free_port
from tests.support.wire import Wire, wire

needs_gs = pytest.mark.skipif(shutil.which("gs") is None, reason="ghostscript is not installed")


async def busy(trunk: Wire) -> str:
    """Who is called is on the line; the INVITE."""
    invite = await trunk.expect("INVITE")
    trunk.reply(invite, "486 Busy Here")
    await trunk.expect("ACK")
    return invite


@needs_gs
async def test_faxes_are_seen_and_sent(tmp_path: Path) -> None:
    came(tmp_path, "0first", WHOLE, 2)
    port = free_port()
    extra = fax(port, retry_s=600) + EXTRA
    async with wire("127.0.0.2", free_port(), port) as trunk, served(tmp_path, extra=extra) as api:
        trunk.server = api.center.port
        root, lee = await api.token("administrator"), await api.token("agent")
        await root.post("/api/v1/agents/kim/sign-out")
        await api.center.event(ce.FaxChanged, fax="0first", state="received")
        await api.switch.store.committed()
        problem(await lee.get("/api/v1/faxes/0first"), 403)
        problem(await lee.get("/api/v1/faxes"), 422)
        await lee.post("/api/v1/agents/lee/sign-in")
        contact = await taken(api, lee)
        assert contact.origin.subject == "Fax, 2 pages from ACME"
        conversation = contact.origin.conversation

        # What has come, for who has it.
        seen = (await lee.get("/api/v1/faxes", params={"conversation": conversation})).json()
        (one,) = seen["items"]
        assert (one["fax"], one["state"], one["pages"], one["ident"]) == (
            *("0first", "received", 2, "ACME"),
        )
        assert one["lines"][0]["bit_rate"] == 14400
        assert one["pdf"]["media_type"] == "application/pdf"
        reply = await lee.get("/api/v1/faxes/0first/pages/2", params={"width": 432})
        assert reply.headers["content-type"] == "image/png"
        with Image.open(io.BytesIO(reply.content)) as picture:
            assert picture.size[0] == 432
        turned = await lee.get("/api/v1/faxes/0first/pages/2", params={"width": 432, "turn": 90})
        with Image.open(io.BytesIO(turned.content)) as picture:
            assert picture.size[1] == 432
        problem(await lee.get("/api/v1/faxes/0first/pages/2", params={"turn": 45}), 422)
        for page in ("0", "3", "x", "-1", "99999999999"):
            problem(await lee.get(f"/api/v1/faxes/0first/pages/{page}"), 404)
        url = f"/api/v1/conversations/{conversation}/attachments/{one['pdf']['digest']}"
        assert (await lee.get(url)).content.startswith(b"%PDF-")

        # An answer goes as a fax too.
        told = await lee.post(
            f"/api/v1/conversations/{conversation}/messages",
            json={"text": "We have it, thank you."},
        )
        assert told.status_code == 201
        assert "sip:0255501000@" in await busy(trunk)
        answer = told.json()["message"]
        await api.center.event(
            ce.FaxChanged, fax=answer, state="waiting", cause="not reached: busy"
        )
        await api.switch.store.committed()
        assert (await lee.get(f"/api/v1/faxes/{answer}")).json()["attempts"] == 1

        # A fax that is ordered.
        problem(await root.post("/api/v1/faxes", json={"to": "+8225550100"}), 422)
        problem(await root.post("/api/v1/faxes", json={"to": "kim", "text": "x"}), 422)
        nowhere = {"to": "1", "text": "x", "channel": "none"}
        problem(await root.post("/api/v1/faxes", json=nowhere), 422)
        strange = {"to": "1", "documents": ["0" * 64]}
        assert (await root.post("/api/v1/faxes", json=strange)).status_code in (404, 409, 422)
        problem(await lee.post("/api/v1/faxes", json={"to": "1", "text": "x"}), 403)
        token = root.headers["Authorization"].partition(" ")[2]
        async with Client(api.url, token=token) as client:
            document = await client.upload_document("order.pdf", pdf_file(2))
            body = FaxBody(
                to="+8225550100", documents=[document.digest], cover=True, subject="Order 4711"
            )
            made = await client.send_fax(body)
            assert (made.state, made.direction, made.number) == ("waiting", "out", "+8225550100")
            await busy(trunk)
            await api.center.event(ce.FaxChanged, fax=made.fax, cause="not reached: busy")
            await api.switch.store.committed()
            shown = await client.fax(made.fax)
            assert (shown.pages, shown.attempts, shown.lines) == (3, 1, [])
            assert [each.fax async for each in client.faxes(direction="out")] == [made.fax, answer]
            everything = [each.fax async for each in client.faxes()]
            assert set(everything) == {made.fax, answer, "0first"}
        metrics = (await root.get("/metrics")).text
        assert 'cicswitch_faxes_total{outcome="received"} 0.0' in metrics  # it came before
        page = (await root.get("/api/v1/faxes", params={"limit": 2})).json()
        assert len(page["items"]) == 2
        more = await root.get("/api/v1/faxes", params={"limit": 2, "cursor": page["next"]})
        assert len(more.json()["items"]) == 1
