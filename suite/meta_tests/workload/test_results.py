"""What is kept under results/: as its schema says, and without a name of a host, a user or a folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from timernn_suite.check.document import schema as scorecard_schema
from timernn_suite.schemas import complaint, load_schema

RESULTS = Path(__file__).parents[3] / "results"
ALL = sorted(path for path in RESULTS.rglob("*") if path.is_file() and path.suffix != ".png")
SCHEMAS = {
    "speed/bench.json": load_schema("timernn_suite.speed", "bench.schema.json"),
    "false-alarms/scorecard.json": scorecard_schema(),
    **{
        f"{folder}/*/*.json": json.loads((RESULTS / "schemas" / f"{folder}.schema.json").read_text(encoding="utf-8"))
        for folder in ("environments", "changes", "asv")
    },
}
LOCAL = re.compile(r"""/(?:home|root|tmp|work|Users|opt)/|[A-Z]:\\\\|localhost|hostname=["'](?!["'])""")


@pytest.mark.parametrize("pattern", SCHEMAS)
def test_every_record_is_as_its_schema_says(pattern):
    found = [path for path in RESULTS.glob(pattern) if path.name != "machine.json"]
    assert found
    for path in found:
        assert complaint(json.loads(path.read_text(encoding="utf-8")), SCHEMAS[pattern]) is None, path


@pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(RESULTS)))
def test_no_record_names_a_host_or_a_folder(path):
    assert LOCAL.search(path.read_text(encoding="utf-8")) is None


def test_a_machine_is_called_after_what_it_is():
    for folder in (folder for kind in ("asv", "environments", "changes") for folder in (RESULTS / kind).iterdir()):
        if folder.is_dir():
            assert re.fullmatch(r"[a-z0-9-]+-\d+-cores-[0-9a-f]{6}", folder.name)


def test_every_commit_that_asv_measured_says_with_what():
    measured = [path for path in RESULTS.glob("asv/*/*.json") if path.name != "machine.json"]
    assert len(measured) >= 5
    for path in measured:
        assert (RESULTS / "environments" / path.parent.name / f"{path.name[:8]}.json").exists(), path
