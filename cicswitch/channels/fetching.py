"""Getting the files that customers of a messenger send.

The addresses that the shape or the settings name, and what a gateway answers there, are the
gateway's own and get its token. A link that stands in a message is a stranger's: it is followed
without the token, by https only, to hosts whose addresses are public ones, and connected to the
very address that was looked at, so that no name leads into one's own network. Scheme, host and port
of the gateway, and the settings' `hosts`, are believed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import mimetypes
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Final
from urllib.parse import urljoin

import httpx

from cicswitch.contacts.messages import Attachment
from cicswitch.core.errors import CommandError, ResourceError
from cicswitch.core.version import __version__
from cicswitch.gateways.files import FileAt, address, place_of
from cicswitch.gateways.reading import found
from cicswitch.gateways.shape import GatewaySettings, Shape
from cicswitch.ports import Attachments

__all__ = ["Fetcher", "NeverFetched"]

_HOPS: Final = 4
_ANSWER: Final = 1 << 16
_NEVER: Final = (400, 404, 405, 410, 413, 414, 415, 451)
_MOVED: Final = (301, 302, 303, 307, 308)
_AT_ONCE: Final = 4
_UNICAST: Final = ipaddress.ip_network("2000::/3")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_PROTOCOLS: Final = ipaddress.ip_network("192.0.0.0/24")


class NeverFetched(Exception):
    """A file that will never be there; says why."""


class Fetcher:
    """Gets files of one channel and keeps them."""

    def __init__(
        self,
        settings: GatewaySettings,
        shape: Shape,
        along: Mapping[str, str],
        context: ssl.SSLContext,
    ) -> None:
        self._settings, self._shape, self._along = settings, shape, along
        named = (settings.url, shape.look_up, shape.fetch, shape.upload)
        self._believed = {place_of(address(each, settings.url)) for each in named if each}
        for each in settings.hosts:
            self._believed |= {place_of(f"{scheme}://{each}") for scheme in ("http", "https")}
        self._soon, self._later = asyncio.Semaphore(_AT_ONCE), asyncio.Semaphore(_AT_ONCE)
        """What takes its time takes none from those whose gateway waits."""
        self._http = httpx.AsyncClient(
            verify=context,
            timeout=settings.timeout_s,
            headers={"User-Agent": f"cicswitch/{__version__}", "Accept-Encoding": "identity"},
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def fetch(
        self, file: FileAt, within_s: float, files: Attachments, *, later: bool = False
    ) -> Attachment:
        """Get a file and keep it. Raises `NeverFetched`, and `ResourceError` for what may pass."""
        try:
            async with asyncio.timeout(within_s), self._later if later else self._soon:
                url, own = await self._place(file)
                return await self._got(url, own, file, files)
        except TimeoutError:
            raise ResourceError(f"it was not there within {within_s:g} s") from None
        except CommandError as error:  # it is too large
            raise NeverFetched(str(error)) from None
        except (httpx.InvalidURL, ValueError) as error:
            raise NeverFetched(str(error)) from None
        except (httpx.HTTPError, OSError) as error:
            raise ResourceError(str(error) or type(error).__name__) from None

    async def _place(self, file: FileAt) -> tuple[str, bool]:
        """The address, and whether the gateway itself has named it."""
        shape, url = self._shape, self._settings.url
        if file.link:
            return file.link, False
        if not shape.look_up:
            return address(shape.fetch, url, media=file.media), True
        where = address(shape.look_up, url, media=file.media)
        async with self._http.stream("GET", where, headers=self._along) as reply:
            _checked(reply.status_code)
            answer = bytearray()
            async for part in reply.aiter_raw():
                answer += part
                if len(answer) > _ANSWER:
                    raise NeverFetched("the gateway says more than where it is")
        place = found(bytes(answer), shape.found)
        if not place:
            raise NeverFetched("the gateway does not say where it is")
        return address(
            shape.fetch, url, media=file.media, found=place
        ) if shape.fetch else place, True

    async def _got(self, url: str, own: bool, file: FileAt, files: Attachments) -> Attachment:
        for _ in range(_HOPS):
            target, headers, extensions = await self._allowed(url, own)
            async with self._http.stream(
                "GET", target, headers=headers, extensions=extensions
            ) as reply:
                if reply.status_code in _MOVED and reply.headers.get("location"):
                    place = place_of(url)
                    url = urljoin(url, reply.headers["location"])
                    own = own and place_of(url) == place
                    continue
                _checked(reply.status_code)
                if reply.headers.get("content-encoding", "identity").lower() != "identity":
                    raise NeverFetched("it comes in an encoding that was not asked for")
                length = reply.headers.get("content-length", "")
                if length.isdecimal() and int(length) > files.file_bytes:
                    raise NeverFetched(f"a file has at most {files.file_bytes >> 20} MiB")
                name = file.name or _name(file.kind, reply.headers.get("content-type", ""))
                return await files.keep(_bytes(reply), name)
        raise NeverFetched("it leads from one place to the next")

    async def _allowed(
        self, url: str, own: bool
    ) -> tuple[httpx.URL, dict[str, str], dict[str, str]]:
        """What is connected to, with which headers. Raises `NeverFetched`."""
        scheme, host, port = place = place_of(url)
        target = httpx.URL(url)
        if target.userinfo:
            raise NeverFetched("it is at no address that is followed")
        headers = dict(self._along) if own else {}
        if place in self._believed:
            return target, headers, {}
        if scheme == "http":  # it could be read on its way, and be another file
            port = 443
        number = await _public(host, port)
        name = f"[{host}]" if ":" in host else host
        headers["Host"] = name if port == 443 else f"{name}:{port}"
        target = target.copy_with(scheme="https", host=number, port=port)
        return target, headers, {"sni_hostname": host}


async def _public(host: str, port: int) -> str:
    """The address of a host that is in nobody's own network."""
    loop = asyncio.get_running_loop()
    try:
        results = await loop.getaddrinfo(host, port, type=0, proto=6)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ResourceError(f"{host}: {why}") from None
    numbers = [str(each[4][0]).partition("%")[0] for each in results]
    if not numbers or not all(_is_public(each) for each in numbers):
        raise NeverFetched(f"{host} is in a network of our own")
    return numbers[0]


def _is_public(number: str) -> bool:
    one = ipaddress.ip_address(number)
    if isinstance(one, ipaddress.IPv6Address):
        inner = one.ipv4_mapped
        if one in _NAT64:
            inner = ipaddress.IPv4Address(int(one) & 0xFFFFFFFF)
        if inner is None:
            tunnelled = one.sixtofour is not None or one.teredo is not None
            return one in _UNICAST and one.is_global and not tunnelled
        one = inner
    return one.is_global and not one.is_multicast and one not in _PROTOCOLS


def _checked(status: int) -> None:
    if status == 200:
        return
    if status in _NEVER or status in _MOVED:
        raise NeverFetched(f"the answer is {status}")
    raise ResourceError(f"the answer is {status}")


async def _bytes(reply: httpx.Response) -> AsyncIterator[bytes]:
    async for part in reply.aiter_raw():
        yield part


def _name(kind: str, content_type: str) -> str:
    return kind + (mimetypes.guess_extension(content_type.partition(";")[0].strip()) or "")
