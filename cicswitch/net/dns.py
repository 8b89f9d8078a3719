"""Host names: their A and AAAA records, by the system's resolver and off the loop.

The system's resolver knows /etc/hosts, search domains and its own cache, and takes its time: it
runs in a thread of the loop's pool. SRV and NAPTR (RFC 3263) are not asked for.
"""

from __future__ import annotations

import asyncio
import socket

__all__ = ["TIMEOUT_S", "resolve"]

TIMEOUT_S = 10.0


async def resolve(host: str) -> list[str]:
    """The addresses of a name, in the order in which the system would use them.

    Raises `OSError` whose `strerror` says why there is none.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except TimeoutError:
        raise OSError(0, f"no answer in {TIMEOUT_S:g} s") from None
    except UnicodeError:
        raise OSError(0, "not a host name") from None
    # An IPv6 address of link scope needs its interface, which a message cannot carry: left out.
    addresses = (str(entry[4][0]) for entry in found)
    return list(dict.fromkeys(address for address in addresses if "%" not in address))
