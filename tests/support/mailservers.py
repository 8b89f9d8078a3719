"""Postfix and Dovecot on loopback, with a configuration of their own in a folder of their own.

customer.test   mailboxes of customers       Postfix → LMTP → Dovecot
box.test        the mailbox that we read      Postfix → LMTP → Dovecot → IMAP → cicswitch
cic.test        what is handed in to us       Postfix → LMTP → cicswitch
gone.test       nobody is there               Postfix sends a bounce
echo.test       a machine that answers all    Postfix → LMTP → the test
"""

from __future__ import annotations

import contextlib
import imaplib
import os
import pwd
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port

__all__ = ["MailServers", "mail_servers", "mailing"]

_DOVECOT = """
base_dir = {folder}/dovecot/run
state_dir = {folder}/dovecot/state
log_path = {folder}/dovecot/log
instance_name = cicswitch-test-{imap}
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
mail_location = maildir:{folder}/boxes/%Lu
mail_fsync = never
first_valid_uid = 1
default_internal_user = dovecot
default_login_user = dovenull
postmaster_address = postmaster@box.test
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/boxes/%Lu allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service auth {{
  inet_listener {{
    port = {auth}
  }}
}}
auth_failure_delay = 0
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"""
_MAIN = """
compatibility_level = 3.6
smtpd_tls_security_level = may
smtpd_tls_cert_file = {folder}/certificate.pem
smtpd_tls_key_file = {folder}/key.pem
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{auth}
queue_directory = {folder}/queue
data_directory = {folder}/data
myhostname = mx.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relay_domains = customer.test box.test cic.test gone.test echo.test
transport_maps = texthash:{folder}/postfix/transport
alias_maps =
alias_database =
local_recipient_maps =
disable_dns_lookups = yes
smtp_host_lookup = native
maillog_file_prefixes = {folder}
maillog_file = {folder}/postfix.log
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
bounce_queue_lifetime = 1h
smtputf8_enable = yes
message_size_limit = 60000000
mailbox_size_limit = 0
lmtp_destination_concurrency_failed_cohort_limit = 1000
"""
_MASTER = """
127.0.0.1:{smtp} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
showq unix n - n - - showq
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""
_PROGRAMS = ("dovecot", "doveadm", "postfix", "postqueue", "postsuper")


def _found(name: str) -> str:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""


class MailServers:
    """Both of them, running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.smtp, self.imap, self.lmtp = free_port(), free_port(), free_port()
        self.imaps, self.auth = free_port(), free_port()
        self.certificate = folder / "certificate.pem"
        """Of both, for 127.0.0.1; signed by itself."""
        self.ours, self.echo = free_port(), free_port()
        """Where cicswitch takes mails, and where a test does."""
        self._dovecot: subprocess.Popen[bytes] | None = None

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        user = pwd.getpwnam("mail")
        self.folder.chmod(0o755)
        boxes = self.folder / "boxes"
        boxes.mkdir()
        os.chown(boxes, user.pw_uid, user.pw_gid)
        for each in ("dovecot", "postfix", "queue", "data"):
            (self.folder / each).mkdir()
        os.chown(self.folder / "data", pwd.getpwnam("postfix").pw_uid, 0)
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-subj", "/CN=mx.test", "-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", str(self.folder / "key.pem"), "-out", str(self.certificate)),
            ],
            check=True,
            capture_output=True,
        )
        values: dict[str, Any] = {"folder": self.folder, "uid": user.pw_uid, "gid": user.pw_gid}
        values["auth"] = self.auth
        ports = {"smtp": self.smtp, "imap": self.imap, "imaps": self.imaps, "lmtp": self.lmtp}
        (self.folder / "dovecot" / "dovecot.conf").write_text(_DOVECOT.format(**values, **ports))
        postfix = self.folder / "postfix"
        (postfix / "main.cf").write_text(_MAIN.format(**values))
        (postfix / "master.cf").write_text(_MASTER.format(**ports))
        routes = {
            "customer.test": f"lmtp:inet:127.0.0.1:{self.lmtp}",
            "box.test": f"lmtp:inet:127.0.0.1:{self.lmtp}",
            "cic.test": f"lmtp:inet:127.0.0.1:{self.ours}",
            "echo.test": f"lmtp:inet:127.0.0.1:{self.echo}",
            "gone.test": "error:5.1.1 nobody is there",
        }
        text = "".join(f"{domain} {route}\n" for domain, route in routes.items())
        (postfix / "transport").write_text(text)
        self.start_dovecot()
        self._postfix("start")
        _until_open(self.smtp)

    def stop(self) -> None:
        try:
            with contextlib.suppress(subprocess.SubprocessError):
                self._postfix("abort")
            self._end_postfix()
        finally:
            self.stop_dovecot()

    def _end_postfix(self, timeout_s: float = 10.0) -> None:
        """See it gone: on a busy machine `abort` may come before it has begun."""
        file = self.folder / "queue" / "pid" / "master.pid"
        end = time.monotonic() + timeout_s
        while file.exists() and file.read_text().strip():
            name = Path("/proc", file.read_text().strip(), "comm")
            if not name.exists() or name.read_text().strip() != "master":
                return
            with contextlib.suppress(ProcessLookupError):
                late = time.monotonic() > end
                os.kill(int(name.parent.name), signal.SIGKILL if late else signal.SIGTERM)
            time.sleep(0.1)

    def _postfix(self, verb: str) -> None:
        command = [_found("postfix"), "-c", str(self.folder / "postfix"), verb]
        done = subprocess.run(command, capture_output=True, timeout=60)
        if done.returncode and verb == "start":
            log = (self.folder / "postfix.log").read_text() if self.folder.exists() else ""
            raise AssertionError(f"Postfix: {done.stderr.decode()} {log}")

    def start_dovecot(self) -> None:
        config = str(self.folder / "dovecot" / "dovecot.conf")
        self._dovecot = subprocess.Popen(
            [_found("dovecot"), "-c", config, "-F"], start_new_session=True
        )
        _until_open(self.imap)
        _until_open(self.lmtp)

    def stop_dovecot(self) -> None:
        """Kill it, with its children: connections break at once."""
        if self._dovecot is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._dovecot.pid, signal.SIGKILL)
            self._dovecot.wait(20)
            self._dovecot = None

    # -- mails -----------------------------------------------------------------------------------

    def send(self, message: EmailMessage | bytes, sender: str, *recipients: str) -> None:
        """Hand a mail to Postfix."""
        raw = message if isinstance(message, bytes) else message.as_bytes()
        with smtplib.SMTP("127.0.0.1", self.smtp, timeout=20) as client:
            client.sendmail(sender, recipients, raw)

    def flush(self) -> None:
        """Have Postfix try again what waits."""
        subprocess.run([_found("postqueue"), "-c", str(self.folder / "postfix"), "-f"], check=True)

    def empty(self) -> None:
        """Throw away what waits in Postfix's queue: it is of another test."""
        command = [_found("postsuper"), "-c", str(self.folder / "postfix"), "-d", "ALL"]
        subprocess.run(command, check=True, capture_output=True)

    def waiting(self) -> int:
        """Mails in Postfix's queue."""
        done = subprocess.run(
            [_found("postqueue"), "-c", str(self.folder / "postfix"), "-j"],
            capture_output=True,
            check=True,
        )
        return len(done.stdout.splitlines())

    def box(self, address: str) -> list[EmailMessage]:
        """The mails of a mailbox, oldest first."""
        with imaplib.IMAP4("127.0.0.1", self.imap, timeout=20) as client:
            client.login(address, "secret")
            client.select("INBOX", readonly=True)
            _, (found,) = client.search(None, "ALL")
            mails = []
            for number in found.split():
                _, parts = client.fetch(number, "(BODY.PEEK[])")
                read = BytesParser(policy=default).parsebytes(parts[0][1])  # type: ignore[index, arg-type]  # bytes
                assert isinstance(read, EmailMessage)
                mails.append(read)
            return mails

    def flags(self, address: str, folder: str = "INBOX") -> list[str]:
        """The flags of the mails of a mailbox."""
        with imaplib.IMAP4("127.0.0.1", self.imap, timeout=20) as client:
            client.login(address, "secret")
            if client.select(folder, readonly=True)[0] != "OK":
                return []
            _, (found,) = client.search(None, "ALL")
            if not found:
                return []
            _, parts = client.fetch(b",".join(found.split()).decode(), "(FLAGS)")
            return [str(part) for part in parts]


def _until_open(port: int, timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def mailing(
    subject: str = "Order 4711", text: str = "Where is my order?", **headers: str
) -> EmailMessage:
    """A mail of a customer's."""
    message = EmailMessage()
    message["From"] = "Park <park@customer.test>"
    message["To"] = "support@cic.test"
    message["Subject"] = subject
    for name, value in headers.items():
        del message[name.replace("_", "-")]
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


@contextlib.contextmanager
def mail_servers() -> Iterator[MailServers]:
    """Both, for as long as it goes; skips where they cannot be."""
    missing = [name for name in _PROGRAMS if not _found(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (dovecot-imapd, dovecot-lmtpd, postfix)")
    if os.geteuid() != 0:
        pytest.skip("Postfix can only be started by root: its queue belongs to users of its own")
    # Not in pytest's folder: it is closed to the users that mail servers run as.
    folder = Path(tempfile.mkdtemp(prefix="cicswitch-mail-"))
    servers = MailServers(folder)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)
