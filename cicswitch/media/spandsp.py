"""libspandsp by cffi: a T.30 fax terminal over sound, or over T.38's IFP packets.

    terminal = AudioTerminal(job)          terminal = T38Terminal(job)
    terminal.hear(samples)                 terminal.receive(ifp, sequence)
    samples = terminal.say()               for ifp, copies in terminal.tick(): …

Both go on until `result` is there, which `hang_up` brings about early; `close` frees what C has.
The callbacks from C catch everything and give C a value it knows. A terminal is used by one thread
at a time. What it costs is bounded by the job: pages, rows of a page, and time.

The library is found when it is first used: `missing()` says in one line what is to be installed.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from pathlib import Path
from typing import Any, Final

import msgspec
from cffi import FFI

from cicswitch.contacts.faxes import FaxJob, FaxPage, FaxResult
from cicswitch.core.errors import ResourceError

__all__ = ["FRAME", "OURS", "AudioTerminal", "T38Terminal", "Terminal", "missing"]

LIBRARY: Final = "libspandsp.so.2"
FRAME: Final = 160
"""Samples of 20 ms."""
FRAME_S: Final = 0.02
OURS: Final = -1
"""The code of a result that is not the library's."""
MOST_ROWS: Final = 20_000
"""Of a page: more than two metres and a half at the fine resolution."""
_MOST_HEARD: Final = 1600
"""Samples that are taken at once."""
_MOST_PACKETS: Final = 400
"""IFP packets that wait to be fetched."""
_LOOK_TICKS: Final = 50
_DROPPED: Final = 49
_FINAL: Final = frozenset((0x2E, 0x3E))
"""EOP and PRI-EOP, without the bit that tells who was called."""
_MODEMS: Final = {"v27ter": 1, "v29": 2, "v17": 4}
_COMPRESSIONS: Final = 0x02 | 0x04 | 0x08
_RESOLUTIONS: Final = 0x01 | 0x02 | 0x04 | 0x20000 | 0x40000
_SIZES: Final = 0x01 | 0x02 | 0x04 | 0x10000 | 0x20000 | 0x40000 | 0x80000 | 0x100000
_ENCODINGS: Final = ("none", "T.4 1D", "T.4 2D", "T.6")
_DOTS_PER_M: Final = 39.3701

_DECLARED: Final = """
typedef struct { int bit_rate; int error_correcting_mode; int pages_tx; int pages_rx;
  int pages_in_file; int x_resolution; int y_resolution; int width; int length; int image_size;
  int encoding; int bad_rows; int longest_bad_row_run; int error_correcting_mode_retries;
  int current_status; int spare[16]; } t30_stats_t;
void *fax_init(void *s, int calling_party);
int fax_free(void *s);
int fax_rx(void *s, int16_t *amp, int len);
int fax_rx_fillin(void *s, int len);
int fax_tx(void *s, int16_t *amp, int most);
void fax_set_transmit_on_idle(void *s, int on);
void *fax_get_t30_state(void *s);
void *t38_terminal_init(void *s, int calling_party,
  int (*handler)(void *s, void *user_data, const uint8_t *buf, int len, int count), void *u);
int t38_terminal_free(void *s);
int t38_terminal_send_timeout(void *s, int samples);
void *t38_terminal_get_t30_state(void *s);
void *t38_terminal_get_t38_core_state(void *s);
int t38_core_rx_ifp_packet(void *s, const uint8_t *buf, int len, uint16_t seq_no);
void t38_set_t38_version(void *s, int version);
void t38_set_fastest_image_data_rate(void *s, int rate);
void t38_set_sequence_number_handling(void *s, int check);
void t38_set_fill_bit_removal(void *s, int on);
void t38_set_redundancy_control(void *s, int category, int setting);
int t30_set_tx_ident(void *s, const char *id);
const char *t30_get_rx_ident(void *s);
int t30_set_tx_page_header_info(void *s, const char *info);
void t30_set_rx_file(void *s, const char *file, int stop_page);
void t30_set_tx_file(void *s, const char *file, int start_page, int stop_page);
int t30_set_ecm_capability(void *s, int enabled);
int t30_set_rx_encoding(void *s, int encoding);
int t30_set_supported_modems(void *s, int modems);
int t30_set_supported_compressions(void *s, int compressions);
int t30_set_supported_resolutions(void *s, int resolutions);
int t30_set_supported_image_sizes(void *s, int sizes);
void t30_set_phase_d_handler(void *s, int (*handler)(void *s, void *u, int r), void *u);
void t30_set_phase_e_handler(void *s, void (*handler)(void *s, void *u, int code), void *u);
void t30_get_transfer_statistics(void *s, t30_stats_t *t);
void t30_terminate(void *s);
const char *t30_completion_code_to_str(int result);
"""
_ffi: Final = FFI()
_ffi.cdef(_DECLARED)
_loaded: list[Any] = []
_loading: Final = threading.Lock()


def _library() -> Any:
    """The library. Raises `ResourceError`."""
    with _loading:
        if not _loaded:
            try:
                _loaded.append(_ffi.dlopen(LIBRARY))
            except OSError:
                raise ResourceError(
                    f"fax needs {LIBRARY}: install it, on Debian with apt-get install libspandsp2"
                ) from None
        return _loaded[0]


def missing() -> str:
    """What has to be installed before a fax can be sent or received; empty: nothing."""
    try:
        _library()
    except ResourceError as error:
        return str(error)
    return ""


def _self(data: Any) -> Terminal | None:
    found = _ffi.from_handle(data)
    return found if isinstance(found, Terminal) else None


def _phase_d(_: Any, data: Any, result: int) -> int:
    terminal = _self(data)
    if terminal is not None:
        terminal._page_over(result)
    return 0


def _phase_e(_: Any, data: Any, code: int) -> None:
    terminal = _self(data)
    if terminal is not None:
        terminal._over(code)


def _packet(_: Any, data: Any, buffer: Any, size: int, count: int) -> int:
    terminal = _self(data)
    if isinstance(terminal, T38Terminal):
        terminal._out(bytes(_ffi.buffer(buffer, size)), count)
    return 0


_phase_d_c: Final = _ffi.callback("int(void *, void *, int)", _phase_d, error=0)
_phase_e_c: Final = _ffi.callback("void(void *, void *, int)", _phase_e)
_packet_c: Final = _ffi.callback("int(void *, void *, const uint8_t *, int, int)", _packet, error=0)
"""What these raise never reaches C: cffi writes it to stderr and returns `error`."""


class Terminal:
    """What both kinds share."""

    t38 = False

    def __init__(self, job: FaxJob) -> None:
        if bool(job.send) is bool(job.receive):
            raise ResourceError("a fax terminal either sends or receives")
        self._lib = _library()
        self._handle = _ffi.new_handle(self)
        self.job = job
        self.result: FaxResult | None = None
        self.pages: list[FaxPage] = []
        self.complete = False
        """The last page is confirmed."""
        self._ticks = 0
        self._reason = ""
        """Why we ended it."""
        self._too_much = ""
        self._stats = _ffi.new("t30_stats_t *")
        self._state = self._make()
        if not self._state:
            raise ResourceError("there is no memory for a fax terminal")
        self._t30 = self._get_t30()
        self._set_up()

    def _make(self) -> Any:
        raise NotImplementedError

    def _get_t30(self) -> Any:
        raise NotImplementedError

    def _free(self, state: Any) -> None:
        raise NotImplementedError

    def _set_up(self) -> None:
        lib, t30, job = self._lib, self._t30, self.job
        lib.t30_set_tx_ident(t30, _latin(job.ident, 20))
        if job.header:
            lib.t30_set_tx_page_header_info(t30, _latin(job.header, 50))
        lib.t30_set_ecm_capability(t30, int(job.ecm))
        lib.t30_set_supported_modems(t30, sum(_MODEMS[name] for name in job.modems))
        lib.t30_set_supported_compressions(t30, _COMPRESSIONS)
        lib.t30_set_supported_resolutions(t30, _RESOLUTIONS)
        lib.t30_set_supported_image_sizes(t30, _SIZES)
        if job.send:
            lib.t30_set_tx_file(t30, os.fsencode(job.send), -1, -1)
        else:
            lib.t30_set_rx_file(t30, os.fsencode(job.receive), -1)
            lib.t30_set_rx_encoding(t30, 3)
        lib.t30_set_phase_d_handler(t30, _phase_d_c, self._handle)
        lib.t30_set_phase_e_handler(t30, _phase_e_c, self._handle)

    @property
    def seconds(self) -> float:
        """Fax time since the beginning."""
        return self._ticks * FRAME_S

    @property
    def busy(self) -> bool:
        """A page, or a part of one, has gone or come."""
        return bool(self.pages) or self._look().length > 0

    def _look(self) -> Any:
        self._lib.t30_get_transfer_statistics(self._t30, self._stats)
        return self._stats

    def _ticked(self) -> None:
        """After 20 ms: whether it goes on for too long."""
        self._ticks += 1
        if self.result is not None:
            return
        if self._too_much:
            self.hang_up(self._too_much)
        elif self._ticks % _LOOK_TICKS:
            return
        elif self.seconds > self.job.most_s:
            self.hang_up(f"it took longer than {self.job.most_s:g} s")
        elif self.job.receive and self._look().length > MOST_ROWS:
            self.hang_up(f"a page has more than {MOST_ROWS} rows")

    def hang_up(self, reason: str = "") -> FaxResult:
        """The call is over, or is to be; what there is now is the result."""
        if self.result is None:
            self._reason = reason
            if self._state:
                self._lib.t30_terminate(self._t30)
        if self.result is None:
            self._over(_DROPPED)
        assert self.result is not None
        return self.result

    def close(self) -> None:
        """Free the state in C; files are closed by it. Idempotent."""
        if self._state:
            if self.result is None:
                self.hang_up()
            state, self._state = self._state, None
            self._free(state)

    # -- from C ----------------------------------------------------------------------------

    def _page_over(self, result: int) -> None:
        stats = self._look()
        sending = bool(self.job.send)
        count = stats.pages_tx if sending else stats.pages_rx
        if count > len(self.pages):
            self.pages.append(_page(stats, count))
            if sending:
                self.complete = 0 < stats.pages_in_file <= count
            else:
                self.complete = result & 0xFE in _FINAL
            if sending and self.complete:
                self._keep(self._outcome(0))
        if not sending and len(self.pages) >= self.job.most_pages and not self.complete:
            self._too_much = f"it has more than {self.job.most_pages} pages"

    def _over(self, code: int) -> None:
        if self.result is None:
            self.result = self._outcome(code)
            self._keep(self.result)

    def _outcome(self, code: int) -> FaxResult:
        # Every page is confirmed: what the far end leaves out after that changes nothing.
        ok = self.complete or (code == 0 and bool(self.pages))
        if ok:
            code, cause = 0, "OK"
        elif self._reason:
            code, cause = OURS, self._reason
        elif code == 0:
            code, cause = OURS, "no page was sent"
        else:
            cause = _text(self._lib.t30_completion_code_to_str(code))
        return FaxResult(
            ok=ok,
            code=code,
            cause=cause,
            pages=tuple(self.pages),
            ident=_text(self._lib.t30_get_rx_ident(self._t30)).strip() if self._state else "",
            t38=self.t38,
            seconds=round(self.seconds, 2),
        )

    def _keep(self, result: FaxResult) -> None:
        """Put the result on disk before anybody is told: a fax that is confirmed is not sent
        again, whatever happens to the process that is told.
        """
        path = self.job.done
        if not path or not result.ok:
            return
        try:
            # No fsync, which would hold up every call of this worker: it outlives the processes.
            Path(path + ".new").write_bytes(msgspec.json.encode(result))
            Path(path + ".new").replace(path)
        except OSError:
            pass  # the one who is told writes it down too


def _page(stats: Any, number: int) -> FaxPage:
    encoding = stats.encoding
    return FaxPage(
        number=number,
        width=stats.width,
        length=stats.length,
        x_dpi=round(stats.x_resolution / _DOTS_PER_M, 1),
        y_dpi=round(stats.y_resolution / _DOTS_PER_M, 1),
        bad_rows=stats.bad_rows,
        bit_rate=stats.bit_rate,
        encoding=_ENCODINGS[encoding] if 0 <= encoding < len(_ENCODINGS) else str(encoding),
        ecm=bool(stats.error_correcting_mode),
    )


def _latin(text: str, most: int) -> bytes:
    plain = "".join(each for each in text if each.isprintable())
    return plain.encode("latin-1", "replace")[:most]


def _text(raw: Any) -> str:
    if not raw:
        return ""
    value: bytes = _ffi.string(raw)
    return "".join(each for each in value.decode("latin-1") if each.isprintable())


class AudioTerminal(Terminal):
    """A terminal over sound: 16-bit samples, 8 kHz."""

    def _make(self) -> Any:
        self._in = _ffi.new("int16_t[]", _MOST_HEARD)
        self._samples = _ffi.new("int16_t[]", FRAME)
        return self._lib.fax_init(_ffi.NULL, int(self.job.calling))

    def _get_t30(self) -> Any:
        self._lib.fax_set_transmit_on_idle(self._state, 1)
        return self._lib.fax_get_t30_state(self._state)

    def _free(self, state: Any) -> None:
        self._lib.fax_free(state)

    def hear(self, heard: bytes) -> None:
        """Take samples, up to 200 ms."""
        size = min(len(heard) // 2, _MOST_HEARD)
        if self._state and size:
            _ffi.memmove(self._in, heard, 2 * size)
            self._lib.fax_rx(self._state, self._in, size)

    def lose(self, samples: int) -> None:
        """So many samples were lost on the way."""
        if self._state and samples > 0:
            self._lib.fax_rx_fillin(self._state, samples)

    def say(self) -> bytes:
        """The next 20 ms of what is to be sent; time goes by with it."""
        size = FRAME * 2
        if not self._state:
            return bytes(size)
        made = self._lib.fax_tx(self._state, self._samples, FRAME)
        said = bytes(_ffi.buffer(self._samples, 2 * max(0, min(made, FRAME))))
        self._ticked()
        return said.ljust(size, b"\0")

    def exchange(self, heard: bytes) -> bytes:
        """20 ms both ways; what was heard is filled up with silence."""
        self.hear(heard[: FRAME * 2].ljust(FRAME * 2, b"\0"))
        return self.say()


class T38Terminal(Terminal):
    """A terminal over IFP packets (ITU-T T.38 section 8); UDPTL is for who has the socket."""

    t38 = True

    def __init__(self, job: FaxJob, *, version: int = 0, max_bit_rate: int = 14400) -> None:
        self._version, self._rate = version, max_bit_rate
        self._packets: deque[tuple[bytes, int]] = deque(maxlen=_MOST_PACKETS)
        super().__init__(job)

    def _make(self) -> Any:
        return self._lib.t38_terminal_init(
            _ffi.NULL, int(self.job.calling), _packet_c, self._handle
        )

    def _get_t30(self) -> Any:
        lib = self._lib
        self._core = lib.t38_terminal_get_t38_core_state(self._state)
        lib.t38_set_t38_version(self._core, self._version)
        lib.t38_set_fastest_image_data_rate(self._core, self._rate)
        return lib.t38_terminal_get_t30_state(self._state)

    def _free(self, state: Any) -> None:
        self._lib.t38_terminal_free(state)

    def _out(self, packet: bytes, count: int) -> None:
        self._packets.append((packet, max(1, min(count, 10))))

    def receive(self, packet: bytes, sequence: int) -> None:
        """Take an IFP packet; what is malformed is dropped by the library."""
        if self._state and packet and self.result is None:
            self._lib.t38_core_rx_ifp_packet(self._core, packet, len(packet), sequence & 0xFFFF)

    def tick(self) -> list[tuple[bytes, int]]:
        """20 ms have passed: packets to be sent, and how often each is to be sent."""
        if self._state:
            self._lib.t38_terminal_send_timeout(self._state, FRAME)
            self._ticked()
        found = list(self._packets)
        self._packets.clear()
        return found
