"""The implementer's guide is true: its backends and commands are run, its outputs are what is printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer.main

from timernn.contract import Backend, MinimalBackend
from timernn_suite.check import GROUPS
from timernn_suite.cli.app import app

REPOSITORY = Path(__file__).parents[3]
GUIDE = REPOSITORY / "docs" / "plug-in.md"
TEXT = GUIDE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
MODULES = {re.match(r"# (\w+)\.py\n", code)[1]: code for kind, code in BLOCKS if kind == "python"}
#: A placeholder of a backend that was installed, or a command for a person to look at the result of.
NOT_RUN = re.compile(r"\bNAME\b|^pip |^timernn run |^timernn \w+ mine$|^pytest timernn-mine$|--tb=short")
#: What ``...`` stands for.
ANY_LINES = r".*(?:\n.*)*?"


@dataclass(frozen=True)
class Shown:
    """A command of the guide and the lines of output that stand below it; ``...`` stands for any lines."""

    command: str
    output: tuple[str, ...] = ()


def shown() -> list[Shown]:
    found = []
    for kind, block in BLOCKS:
        if kind == "console":
            command, *output = block.splitlines()
            found.append(Shown(command.removeprefix("$ "), tuple(output)))
        elif kind == "":
            lines = (line.partition("  #")[0].strip() for line in block.splitlines())
            found += [Shown(line) for line in lines if line.startswith(("timernn ", "pytest ", "pip "))]
    return found


EVERY = shown()
RUN = [example for example in EVERY if not NOT_RUN.search(example.command)]


@pytest.fixture
def run(tmp_path):
    """Run a command of the guide in a folder with its modules."""
    for module, code in MODULES.items():
        (tmp_path / f"{module}.py").write_text(code, encoding="utf-8")
    programs = {"timernn": ["-m", "timernn_suite"], "pytest": ["-m", "pytest", "-p", "no:cacheprovider"], "python": []}

    def call(command):
        program, *arguments = shlex.split(command)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "FORCE_COLOR"))}
        return subprocess.run(
            [sys.executable, *programs[program], *arguments],
            cwd=tmp_path,
            env=kept | {"NO_COLOR": "1", "COLUMNS": "120", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=180,
            check=False,
        )

    return call


def masked(line: str) -> str:
    """Return the line with every number made alike: the last digits are another machine's to choose."""
    return re.sub(r"-?\d+(\.\d+)?(e[+-]\d+)?", "#", line.strip())


@pytest.mark.parametrize("example", RUN, ids=lambda example: example.command)
def test_a_command_does_what_the_guide_shows(run, example):
    if os.name != "posix" and any("SIGSEGV" in line for line in example.output):
        pytest.skip("signals by name")
    done = run(example.command)
    if not example.output:
        assert done.returncode == 0, done.stdout
        return
    printed = "\n".join(filter(None, map(masked, done.stdout.splitlines())))
    wanted = [ANY_LINES if line == "..." else re.escape(masked(line)) for line in example.output]
    assert re.fullmatch("\n".join(wanted), printed), done.stdout
    refused = any(line.startswith("timernn: ") for line in example.output)
    failed = any(line.startswith(("failed ", "crashed ")) for line in example.output)
    assert done.returncode == (2 if refused else 1 if failed else 0)


def test_the_whole_suite_is_run_on_one_backend_of_the_guide_and_every_module_of_it_is_used():
    assert any(example.command == "timernn check mine:MyBackend" for example in RUN)
    for module in MODULES:
        assert any(f" {module}:" in example.command for example in RUN), module


def test_the_code_to_paste_shows_the_failure_again(run):
    (code,) = re.findall(r"^ *(from .+ import \*)\n *(replay\(.+\))$", TEXT, re.MULTILINE)
    done = run(f"python -c {shlex.quote('; '.join(code))}")
    assert done.returncode == 1
    assert "wrong: db" in done.stdout


def test_the_readmes_example_is_the_guides():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert f"```python\n{MODULES['mine']}```" in readme
    assert "(docs/plug-in.md)" in readme


def test_every_command_and_option_that_is_named_exists():
    commands = typer.main.get_command(app).commands
    named = [example.command.split() for example in EVERY] + [code.split() for code in re.findall(r"`(.+?)`", TEXT)]
    checked = 0
    for program, *arguments in (words for words in named if words):
        if program == "timernn" and arguments:
            assert arguments[0] in commands, arguments
            known = {option for parameter in commands[arguments[0]].params for option in parameter.opts}
            assert {word for word in arguments if word.startswith("-")} <= known, arguments
            checked += 1
    assert checked >= 10
    options = {option for parameter in commands["check"].params for option in parameter.opts}
    assert {"--test-timeout", "--timeout", "--memory", "--output-limit"} <= options & set(re.findall(r"--[\w-]+", TEXT))


def test_the_table_has_every_group_in_the_scorecards_order():
    listed = re.findall(r"^\| `(test_\w+\.py)` \|", TEXT, re.MULTILINE)
    assert [group for group in listed if group in GROUPS] == list(GROUPS)


def test_every_file_that_is_linked_is_there():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert len(links) >= 5
    for link in links:
        assert (GUIDE.parent / link).exists(), link


def test_every_heading_that_is_linked_is_there():
    headings = {
        re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
        for line in TEXT.splitlines()
        if line.startswith("#")
    }
    links = set(re.findall(r"\]\(#([^)]+)\)", TEXT))
    assert links
    assert links <= headings


def test_the_pages_contract_has_every_factory_and_every_method():
    whole = {name for kind in (MinimalBackend, Backend) for name in {**vars(kind), **kind.__annotations__}}
    page = TEXT[TEXT.index("## The contract on a page") : TEXT.index("## What the suite checks")]
    for name in sorted(name for name in whole if not name.startswith("_")):
        assert re.search(rf"`{name}\b", page), name


def test_the_limits_are_those_of_the_command():
    defaults = {parameter.name: parameter.default for parameter in typer.main.get_command(app).commands["check"].params}
    for option, unit in (
        ("test_timeout", "s a test"),
        ("timeout", "s in all"),
        ("memory", "MiB held"),
        ("output_limit", "MiB printed"),
    ):
        assert f"{defaults[option]:,.0f} {unit}" in TEXT, option
