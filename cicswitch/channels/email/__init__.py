"""Email as a channel.

    intake.py   a mail that came: into which conversation, with which files
    verify.py   SPF, DKIM and DMARC by the DNS
    receive.py  handed in by one's own mail server, LMTP or SMTP
    imap.py     read from a mailbox
    send.py     answers, on their way out
    channel.py  `Email`, the channel of all four

Authority. A mail belongs to whoever has it until the switch has said that it is on disk: the mail
server keeps it until 250, the mailbox until it is marked. What comes twice is one message, by its
Message-ID and its body.
"""
