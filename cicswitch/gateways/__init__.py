"""Messengers by their webhooks: what a gateway posts and what it takes, without a socket.

shape.py    what a message looks like at WhatsApp, Telegram, LINE, KakaoTalk, or as one says
proof.py    whether a request is the gateway's
reading.py  a body -> messages
writing.py  a message -> bodies
"""
