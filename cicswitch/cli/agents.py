"""Commands about agents: sign in and out, pause, list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cicswitch.cli.base import ConfigOption, JsonOption, app, ask, print_json

agent_app = typer.Typer(no_args_is_help=True, help="Sign agents in and out, pause them, list them.")
app.add_typer(agent_app, name="agent")
AgentName = Annotated[str, typer.Argument(help="The agent's name in the configuration.")]


def _agent(config: Path | None, agent: str, action: str, json: bool, code: str = "") -> None:
    reply = ask(config, do="agent", agent=agent, action=action, code=code)
    if json:
        print_json(reply)
        return
    print(f"{reply['agent']}: {reply['state']}" + (f" ({reply['code']})" if reply["code"] else ""))


@agent_app.command("sign-in")
def agent_sign_in(
    agent: AgentName,
    device: Annotated[
        str, typer.Option(help="Another phone until he signs out: a device, or TRUNK:EXTENSION.")
    ] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """The agent begins to work.

    Example: cicswitch agent sign-in kim --device 1003
    """
    _agent(config, agent, "sign-in", json, device)


@agent_app.command("sign-out")
def agent_sign_out(agent: AgentName, config: ConfigOption = None, json: JsonOption = False) -> None:
    """The agent goes, after the interaction in hand.

    Example: cicswitch agent sign-out kim
    """
    _agent(config, agent, "sign-out", json)


@agent_app.command("pause")
def agent_pause(
    agent: AgentName,
    code: Annotated[str, typer.Argument(help="A pause code, such as break or meal.")] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """The agent takes no interactions.

    Example: cicswitch agent pause kim meal
    """
    _agent(config, agent, "pause", json, code)


@agent_app.command("ready")
def agent_ready(agent: AgentName, config: ConfigOption = None, json: JsonOption = False) -> None:
    """The agent is idle again, after a pause, wrap-up or not responding.

    Example: cicswitch agent ready kim
    """
    _agent(config, agent, "ready", json)


@agent_app.command("wrap-up")
def agent_wrap_up(
    agent: AgentName,
    code: Annotated[str, typer.Argument(help="A wrap-up code, such as resolved.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Give the wrap-up code and end the wrap-up.

    Example: cicswitch agent wrap-up kim resolved
    """
    _agent(config, agent, "wrap-up", json, code)


@agent_app.command("list")
def agent_list(config: ConfigOption = None, json: JsonOption = False) -> None:
    """All agents and their states.

    Example: cicswitch agent list --json | jq -r '.[] | select(.state == "idle").agent'
    """
    agents = ask(config, do="snapshot", part="agents")
    if json:
        print_json(agents)
        return
    for agent in agents:
        code = f" ({agent['code']})" if agent["code"] else ""
        print(f"{agent['agent']:16} {agent['state']}{code}  {agent['since_s']:.0f} s")
