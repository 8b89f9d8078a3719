"""What `cicswitch run` says when it is up: where it listens, how to register, what to dial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cicswitch.core.version import BUILD, __version__

if TYPE_CHECKING:
    from cicswitch.daemon import Switch
    from cicswitch.web import Web

__all__ = ["welcome"]


def welcome(switch: Switch, web: Web | None) -> str:
    """Some lines for the terminal."""
    config = switch.config
    listeners = switch.sip.listeners
    where = ", ".join(f"{item.transport} {item.sent_by}" for item in listeners)
    lines = [f"cicswitch {__version__} ({BUILD}) is up.", f"  SIP       {where}"]
    if web is not None:
        server = web.server
        shown = f"[{server.host}]" if ":" in server.host else server.host
        url = f"{server.scheme}://{shown}:{server.port}"
        lines.append(f"  Console   {url}/")
        if web.set_up_code:
            lines.append(
                f"            No account yet: set it up there with the code {web.set_up_code},"
                " or with cicswitch account add."
            )
        lines.append("  HTTP      /api/v1, /openapi.json, /health and /metrics at the same place")
    if all(endpoint.loopback for endpoint in config.sip_endpoints()):
        lines.append(
            "            Only this machine can reach it. For phones on the network, put an address"
            " of this machine into listen.sip."
        )
    if config.device:
        name, device = next(iter(config.device.items()))
        numbers = ", ".join(list(config.device)[:8]) + (" …" if len(config.device) > 8 else "")
        target = listeners[0].sent_by if listeners else "this machine"
        lines += [
            f"  Phones    {numbers}. Register any SIP phone as {name} at {target},",
            f"            password as in [device.{name}]"
            + (f" ({device.password.reveal()})" if _is_default(switch, name) else "")
            + ".",
        ]
    features = config.features
    if config.agent and features.sign_in:
        lines.append(
            f"  Agents    dial {features.sign_in} to sign in, {features.sign_out} to sign out,"
            f" {features.pause} to pause, {features.ready} to be ready."
        )
    numbers_to_call = [
        f"{', '.join((route.called,) if isinstance(route.called, str) else route.called)}"
        f" ({route.name or route.flow})"
        for route, _ in (config.plan.routes if config.plan else ())
        if route.called
    ]
    if numbers_to_call:
        lines.append(f"  Call      {'; '.join(dict.fromkeys(numbers_to_call))}")
    if features.echo:
        lines.append(f"            {features.echo} for an echo test")
    lines.append("  Stop      Ctrl-C. See also: cicswitch top, cicswitch report, cicswitch --help")
    return "\n".join(lines)


def _is_default(switch: Switch, name: str) -> bool:
    """The example passwords of the default configuration may be shown; no other is."""
    return switch.config.device[name].password.reveal() == f"phone-{name}"
