"""Email without a socket: messages read from any bytes and written for any server.

    model.py      what a mail says: `Mail`, `Piece`, `Bounce`
    parse.py      bytes to a `Mail`; never an error
    headers.py    header fields: words, addresses, Message-IDs, bounded
    html.py       HTML made safe, and its text
    quoting.py    where what is quoted begins
    automatic.py  whether a machine has written it, and bounces (RFC 3834, RFC 3464)
    results.py    Authentication-Results of one's own server (RFC 8601)
    spf.py        who may send for a domain (RFC 7208)
    dmarc.py      whether a mail is from where its From says (RFC 7489)
    token.py      conversations named in Message-IDs, subjects and addresses, signed
    language.py   the language of a text
    compose.py    a mail to bytes
    settings.py   what `[channel.NAME.settings]` may say

Whatever a stranger sends is read: where it is broken, as far as it makes sense, and `problems` says
what was not. Sizes, depth and counts are bounded before anything is built of them.
"""
