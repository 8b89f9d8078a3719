"""What an email looks like, over the API."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

from tests.api.served import problem
from tests.channels.test_attachments import PNG
from tests.channels.test_chat import taken
from tests.support.letters import come, letter, letters

HTML = """<p style="color:red">Hello <img src="cid:logo@x"><img src="cid:page@x">
<img src="http://evil.test/pixel.png"><script>1</script></p>"""


def pretty() -> bytes:
    message = EmailMessage()
    message["From"] = "Park <park@example.org>"
    message["To"] = "support@example.com"
    message["Subject"] = "Order"
    message["Message-ID"] = "<pretty@example.org>"
    message.set_content("Hello")
    message.add_alternative(HTML, subtype="html")
    (_, part) = message.iter_parts()
    part.add_related(PNG, maintype="image", subtype="png", cid="<logo@x>")
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    part.add_related(svg, maintype="image", subtype="png", cid="<page@x>")
    return message.as_bytes()


async def test_a_letter_is_shown_as_a_document_that_can_do_nothing(tmp_path: Path) -> None:
    async with letters(tmp_path) as (api, lee):
        await come(api, pretty())
        contact = await taken(api, lee)
        path = f"/api/v1/conversations/{contact.origin.conversation}/messages"
        (message,) = (await lee.get(path)).json()
        assert message["text"] == "Hello"
        (html,) = (each for each in message["attachments"] if each["use"] == "html")
        assert html["blocked"] == 1
        page = await lee.get(f"{path}/{message['message']}/html")
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        policy = page.headers["content-security-policy"]
        assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src")
        assert page.headers["x-frame-options"] == "SAMEORIGIN"
        assert page.headers["x-content-type-options"] == "nosniff"
        # The picture is in it; what only calls itself one is not, nor what is elsewhere.
        assert page.text.count("<img") == 3
        assert page.text.count('src="data:image/png;base64,') == 1
        assert "svg" not in page.text
        assert "evil.test" not in page.text
        problem(await (await api.token("planner")).get(f"{path}/{message['message']}/html"), 403)
        problem(await lee.get(f"{path}/none/html"), 404)
        await come(api, letter("Text", References="<pretty@example.org>"))
        plain = (await lee.get(path)).json()[-1]
        problem(await lee.get(f"{path}/{plain['message']}/html"), 404)
