"""The folder of a sweep: its plan, a file for each cell that is done, and a file for each that failed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from timernn_suite.files import replace_text
from timernn_suite.sweep.errors import SweepError
from timernn_suite.sweep.plan import Plan, plan_from

PLAN = "plan.json"


class Results:
    """What a sweep has so far; every file in it is written whole or not at all, and by the command alone.

    Workers write nothing here but their checkpoints, each below ``runs/ADDRESS``.

    Parameters
    ----------
    folder : Path
        The sweep's folder; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run_folder(self, address: str) -> Path:
        """Return where a cell's checkpoints lie."""
        return self.folder / "runs" / address

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other commands from running cells into this folder; the lock goes with the process, however it ends.

        Raises
        ------
        SweepError
            If another command does so now.
        """
        import locket  # noqa: PLC0415 - comes with distributed, an extra

        lock = locket.lock_file(str(self.folder / ".lock"), timeout=0)
        try:
            lock.acquire()
        except locket.LockError as error:
            raise SweepError(f"{self.folder}: another sweep runs into this folder now; wait for its end") from error
        try:
            yield
        finally:
            lock.release()

    def begin(self, plan: Plan) -> None:
        """Make the folder, and write the plan over an older one; cells of older plans stay."""
        for name in ("cells", "failed", "runs"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._write(self.folder / PLAN, plan.as_record())

    def plan(self) -> Plan:
        """Read the plan.

        Raises
        ------
        SweepError
            If the folder holds no sweep.
        """
        try:
            return plan_from(json.loads((self.folder / PLAN).read_text(encoding="utf-8")))
        except OSError as error:
            raise SweepError(f"{self.folder}: holds no sweep: {PLAN} can't be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise SweepError(f"{self.folder / PLAN}: damaged, or not written by 'timernn sweep': {error}") from error

    def result(self, address: str) -> dict[str, Any] | None:
        """Return the record of a cell that is done; None for one that isn't, or whose file is damaged."""
        record = self._read("cells", address)
        return record if record is not None and record.get("address") == address and "result" in record else None

    def failure(self, address: str) -> str | None:
        """Return why a cell failed when it was last run; None if it didn't."""
        record = self._read("failed", address)
        return None if record is None else str(record.get("message"))

    def keep(self, address: str, record: Mapping[str, Any]) -> None:
        """Write the record of a cell that is done."""
        self._write(self._path("cells", address), {"address": address, **record})
        self._path("failed", address).unlink(missing_ok=True)

    def keep_failure(self, address: str, message: str) -> None:
        """Write why a cell failed."""
        self._write(self._path("failed", address), {"address": address, "message": message})

    def write_table(self, record: Mapping[str, Any], text: str) -> None:
        """Write ``sweep.json`` and ``sweep.md``."""
        self._write(self.folder / "sweep.json", record)
        self._write_text(self.folder / "sweep.md", text)

    def _path(self, kind: str, address: str) -> Path:
        return self.folder / kind / f"{address}.json"

    def _read(self, kind: str, address: str) -> dict[str, Any] | None:
        try:
            record = json.loads(self._path(kind, address).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return record if isinstance(record, dict) else None

    def _write(self, path: Path, record: Mapping[str, Any]) -> None:
        self._write_text(path, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    def _write_text(self, path: Path, text: str) -> None:
        try:
            replace_text(path, text)
        except OSError as error:
            raise SweepError(
                f"{path}: can't be written: {error.strerror or error}; what is done is kept: make room or permit "
                f"writing, and the same command goes on from there"
            ) from error
