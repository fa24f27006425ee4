"""``timernn backends``: which backends there are, whether they can run here, and on what."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from timernn import BackendStatus, backend_statuses
from timernn_suite.cli.console import output, print_json
from timernn_suite.cli.options import Json

NAME = "backends"


def command(as_json: Json = False) -> None:
    """List the registered backends: available or why not, element types, library and device."""
    statuses = backend_statuses()
    if as_json:
        print_json([record(status) for status in statuses])
        return
    table = Table("backend", "available", "element types", "library", "from")
    for status in statuses:
        if status.backend is None:
            table.add_row(status.name, f"[yellow]no:[/] {escape(status.reason or '')}", "", "", status.origin)
        else:
            described = status.backend.describe()
            library = " ".join(str(described[key]) for key in ("library", "version", "device") if key in described)
            table.add_row(status.name, "[green]yes", ", ".join(status.backend.dtypes), escape(library), status.origin)
    output.print(table)


def record(status: BackendStatus) -> dict[str, Any]:
    """Return a JSON-ready record of one backend."""
    made: dict[str, Any] = {"name": status.name, "available": status.available, "from": status.origin}
    if status.backend is None:
        return made | {"reason": status.reason}
    return made | {"dtypes": list(status.backend.dtypes), "describe": status.backend.describe()}
