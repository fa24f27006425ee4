"""``timernn new-backend``: what it writes is built and installed as it stands, and passes the whole suite."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from timernn import backend_names
from timernn_suite.check import GROUPS
from timernn_suite.new_backend import Kind, Names, write_skeleton

from .conftest import call, environment

FORGETFUL = """

class Forgetful(${class_name}):
    def time_rnn(self, Wx, Wh, b, *, stateful=False):
        layer = super().time_rnn(Wx, Wh, b, stateful=stateful)
        layer.reset_state = lambda: None
        return layer


${class_name} = Forgetful
"""
FORGETS = "test_state.py::test_reset_state_forgets"


@dataclass(frozen=True)
class Made:
    """A backend that the command wrote, and a folder in which its wheel is installed."""

    kind: str
    record: dict
    folder: Path
    site: Path

    def pytest(self, cache, *arguments, site=None):
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(self.folder), *arguments],
            cwd=self.folder.parent,
            env=environment(cache, PYTHONPATH=str(site or self.site)),
            capture_output=True,
            encoding="utf-8",
            timeout=180,
            check=False,
        )


@pytest.fixture(scope="module", params=[kind.value for kind in Kind])
def made(request, tmp_path_factory, cache):
    """Write a backend, build its wheel by its own pyproject, and unpack that where only PYTHONPATH leads."""
    work = tmp_path_factory.mktemp(request.param)
    done = call(work, cache, "new-backend", f"My-{request.param}_2", "--kind", request.param, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    folder = work / record["folder"]
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(work / "dist"), str(folder)]
    built = subprocess.run(build, capture_output=True, encoding="utf-8", check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = (work / "dist").iterdir()
    zipfile.ZipFile(wheel).extractall(work / "site")
    return Made(request.param, record, folder, work / "site")


def test_it_passes_the_whole_suite_by_its_own_tests(made, cache):
    done = made.pytest(cache)
    assert done.returncode == 0, done.stdout
    assert f"{len(GROUPS)} passed" in done.stdout


def test_a_groups_name_chooses_that_group_and_no_other(made, cache):
    for group in (next(iter(GROUPS)), "test_state.py"):
        name = group.removeprefix("test_").removesuffix(".py")
        done = made.pytest(cache, "--collect-only", "-q", "-k", name)
        assert re.findall(r"::\w+\[(.+)\]$", done.stdout, re.MULTILINE) == [group]


def test_it_is_registered_under_its_name(made, cache):
    done = call(made.folder.parent, cache, "backends", "--json", PYTHONPATH=str(made.site))
    (found,) = (record for record in json.loads(done.stdout) if record["name"] == made.record["name"])
    assert (found["available"], found["describe"]["device"]) == (True, "cpu")
    assert found["from"].lower().replace("_", "-") == f"timernn-my-{made.kind}-2 0.1.0"


def test_it_is_checked_by_its_name(made, cache):
    name = made.record["name"]
    done = call(made.folder.parent, cache, "check", name, "-k", "test_errors", "--json", PYTHONPATH=str(made.site))
    assert done.returncode == 0, done.stderr
    (card,) = json.loads(done.stdout)["backends"]
    assert (card["backend"], card["passed"], list(card["groups"])) == (name, True, ["errors"])


@pytest.mark.parametrize("made", [Kind.ARRAY.value], indirect=True)
def test_its_own_tests_tell_a_fault_and_take_it_from_known_failures(made, cache, tmp_path):
    module, class_name = made.record["module"], made.record["class"]
    source = (made.site / f"{module}.py").read_text(encoding="utf-8")
    broken = source + FORGETFUL.replace("${class_name}", class_name)
    (tmp_path / f"{module}.py").write_text(broken, encoding="utf-8")
    info = next(made.site.glob("*.dist-info"))
    (tmp_path / info.name).mkdir()
    (tmp_path / info.name / "METADATA").write_bytes((info / "METADATA").read_bytes())
    (tmp_path / info.name / "entry_points.txt").write_bytes((info / "entry_points.txt").read_bytes())

    told = made.pytest(cache, "-k", "state", site=tmp_path)
    assert told.returncode == 1, told.stdout
    assert f"1 failed, {len(GROUPS) - 1} deselected" in told.stdout
    assert f"failed {FORGETS}[{made.record['name']}-float32]" in told.stdout

    failing = re.findall(r"^failed (test_state\.py::\w+)", told.stdout, re.MULTILINE)
    known = dict.fromkeys(failing, "its state can't be reset")
    (tmp_path / f"{module}.py").write_text(f"{broken}\nForgetful.known_failures = {known!r}\n", encoding="utf-8")
    owned = made.pytest(cache, "-k", "state", site=tmp_path)
    assert owned.returncode == 0, owned.stdout
    assert f"1 passed, {len(GROUPS) - 1} deselected" in owned.stdout


def test_what_was_written_is_what_is_told(made):
    record = made.record
    assert sorted(record["files"]) == sorted(
        path.relative_to(made.folder).as_posix()
        for path in made.folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    for file in record["files"]:
        text = (made.folder / file).read_text(encoding="utf-8")
        assert "$" not in text, file
        assert text.endswith("\n"), file
    assert record["module"] == f"timernn_my_{made.kind}_2"
    assert record["class"] == f"My{made.kind.capitalize()}2Backend"
    assert [path.name for path in made.folder.parent.iterdir() if path.name.startswith(".")] == []


def test_layers_of_ones_own_import_nothing_of_ours(tmp_path):
    write_skeleton(Names.parse("own"), Kind.LAYERS, tmp_path / "own")
    tree = ast.parse((tmp_path / "own" / "src" / "timernn_own.py").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [alias.name for node in imports for alias in node.names] == ["numpy"]


def test_what_to_do_next_is_said(inside):
    done = inside("new-backend", "mine", "-o", "by hand/mine")
    assert done.returncode == 0, done.stderr
    said = [line.strip() for line in done.stdout.splitlines()]
    assert said[0] == "wrote by hand/mine"
    assert said[-3:] == ["pip install -e 'by hand/mine[test]'", "timernn check mine", "pytest 'by hand/mine'"]


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("", "letters, digits"),
        ("2nd", "begin with a letter"),
        ("a b", "letters, digits"),
        ("../up", "letters, digits"),
        ("größe", "letters, digits"),
        ("tail-", "end with a letter or a digit"),
        ("x" * 51, "no longer than 50"),
        ("class", "must not be a keyword of Python"),
        ("None", "must not be a keyword of Python"),
        ("timernn-mine", "must be without 'timernn-'"),
        ("suite", "its module would be timernn_suite, and there is one already"),
        *((name.upper(), "must not be that of a registered backend") for name in backend_names()),
    ],
)
def test_a_name_that_no_backend_can_have_is_wrong_use_and_nothing_is_written(inside, tmp_path, name, needed):
    done = inside("new-backend", name)
    assert done.returncode == 2
    assert done.stderr.startswith("timernn: NAME: must ") or done.stderr.startswith("timernn: NAME: its module")
    assert needed in done.stderr
    assert f"got {name!r}" in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["empty folder", "folder", "file", "link to nowhere"])
def test_what_is_there_already_stays_as_it_is(inside, tmp_path, kind):
    there = tmp_path / "timernn-mine"
    if kind == "file":
        there.write_text("mine", encoding="utf-8")
    elif kind == "link to nowhere":
        there.symlink_to(tmp_path / "nowhere")
    else:
        there.mkdir()
        if kind == "folder":
            (there / "README.md").write_text("mine", encoding="utf-8")
    before = sorted((path, path.lstat().st_mtime_ns) for path in tmp_path.rglob("*"))
    done = inside("new-backend", "mine")
    assert done.returncode == 2
    assert "timernn-mine: is there already; name another folder with --out" in done.stderr
    assert sorted((path, path.lstat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


def test_a_file_in_the_way_is_said_to_be(inside, tmp_path):
    (tmp_path / "notes").write_text("mine", encoding="utf-8")
    for out in ("notes/mine", "notes/further/mine"):
        done = inside("new-backend", "mine", "--out", out)
        assert done.returncode == 2
        assert f"{out}: {Path(out).parent} can't be a folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


@pytest.mark.parametrize("broken", ["write_text", "rename"])
def test_half_a_folder_is_never_left_behind(monkeypatch, tmp_path, broken):
    def full(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr(Path, broken, full)
    with pytest.raises(OSError, match="no space left"):
        write_skeleton(Names.parse("mine"), Kind.ARRAY, tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []
