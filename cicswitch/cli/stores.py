"""Commands about the store as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cicswitch.cli.base import ConfigOption, JsonOption, app, load_config, print_json, table

store = typer.Typer(help="The store: where the books are.", no_args_is_help=True)
app.add_typer(store, name="store")


@store.command()
def copy(
    path: Annotated[Path, typer.Argument(help="The store in SQLite, such as var/cicswitch.db.")],
    url: Annotated[
        str, typer.Argument(help="An empty database; default: store.url of the configuration.")
    ] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Copy a store of SQLite's into an empty database of PostgreSQL's, and count what has come.

    Stop the switch first: what it writes meanwhile stays behind. A URL on the command line is seen
    by all who list processes: leave the password to PGPASSWORD or ~/.pgpass.

    Example: cicswitch store copy var/cicswitch.db --config new.toml
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from cicswitch.runtime.place import EXAMPLE, Postgres

    try:
        place = Postgres(url) if url else load_config(config).store_place()
    except ValueError as error:
        raise typer.BadParameter(f"{error}; like {EXAMPLE}", param_hint="URL") from None
    if not isinstance(place, Postgres):
        raise typer.BadParameter("store.url of the configuration names none", param_hint="URL")
    from cicswitch.store.copy import copy as copied  # who has a file needs no asyncpg

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, transient=True, disable=json) as progress:
        bars: dict[str, object] = {}

        def told(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name, total=total)
            progress.update(bars[name], completed=done)  # type: ignore[arg-type]  # its own ids

        found = copied(path, place, told)
    if json:
        print_json(found)
        return
    table(("table", "rows"), [*found.items()], right=("rows",))
    print(f"all of {path} is in {place}")
