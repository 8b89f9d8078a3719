"""Phones that register here: their passwords, and where to call them."""

from __future__ import annotations

from cicswitch.config import DeviceConfig
from cicswitch.sip.registrar import Binding, BindingChanged, Registrar

__all__ = ["Devices"]


class Devices:
    """Devices by number. A device may register at any of our addresses and names."""

    def __init__(self, devices: dict[str, DeviceConfig]) -> None:
        self._devices = devices
        self._aors: dict[str, set[str]] = {}

    def configure(self, devices: dict[str, DeviceConfig]) -> None:
        """Take over a changed configuration; what is registered stays so until it expires."""
        self._devices = devices

    def __contains__(self, number: object) -> bool:
        return number in self._devices

    def __len__(self) -> int:
        return len(self._devices)

    def password(self, number: str, realm: str) -> str | None:
        """For digest authentication: the password, None for an unknown device."""
        device = self._devices.get(number)
        return device.password.reveal() if device is not None else None

    def name(self, number: str) -> str:
        """The display name."""
        device = self._devices.get(number)
        return device.name if device is not None else ""

    def changed(self, event: BindingChanged, registrar: Registrar, now: float) -> None:
        """Keep up with the registrar."""
        number = event.aor.partition("@")[0]
        if registrar.lookup(event.aor, now):
            self._aors.setdefault(number, set()).add(event.aor)
        else:
            aors = self._aors.get(number, set())
            aors.discard(event.aor)
            if not aors:
                self._aors.pop(number, None)

    def bindings(self, number: str, registrar: Registrar, now: float) -> list[Binding]:
        """The contacts of a device, the preferred first."""
        return [
            binding
            for aor in sorted(self._aors.get(number, ()))
            for binding in registrar.lookup(aor, now)
        ]

    def registered(self) -> list[str]:
        """Numbers of the devices that are registered."""
        return sorted(self._aors)
