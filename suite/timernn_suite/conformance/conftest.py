"""Which backends are judged, at which element types; known failures as strict expected failures; the scores."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from timernn.contract import FLOAT_DTYPES, Backend, BackendUnavailable, UnknownBackend
from timernn.registry import backend_statuses, load_backend
from timernn_suite.conformance.support.harness import Subject
from timernn_suite.conformance.support.judged import JUDGED, Judged

USAGE_ERROR = 4


def _backends(config: pytest.Config) -> list[Judged]:
    if JUDGED not in config.stash:
        named = list(dict.fromkeys(config.getoption("--rnn-backend")))
        config.stash[JUDGED] = [_named(spec) for spec in named] if named else _registered()
    return config.stash[JUDGED]


def _named(spec: str) -> Judged:
    """Load a backend that was asked for by name: it must run."""
    try:
        return Judged(spec, load_backend(spec), None)
    except (BackendUnavailable, UnknownBackend) as error:
        pytest.exit(f"--rnn-backend: {error}", returncode=USAGE_ERROR)


def _registered() -> list[Judged]:
    found = [Judged(status.name, status.backend, status.reason, status.broken) for status in backend_statuses()]
    if not any(judged.backend for judged in found):
        pytest.exit("no registered backend can run here", returncode=USAGE_ERROR)
    return found


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which backends are judged."""
    return [
        f"rnn-backend {judged.name}: {'judged' if judged.backend else 'skipped, ' + str(judged.reason)}"
        for judged in _backends(config)
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that asks for a ``backend`` or a ``subject`` on every backend, and every element type it has.

    A module whose tests need one element type says so by a constant ``ELEMENT_TYPES``.
    """
    able = [judged for judged in _backends(metafunc.config) if judged.backend]
    if "subject" in metafunc.fixturenames:
        wanted = getattr(metafunc.module, "ELEMENT_TYPES", FLOAT_DTYPES)
        parameters = [
            pytest.param((judged, dtype), id=f"{judged.name}-{dtype}", marks=_unless_declared(judged, dtype))
            for judged in able
            for dtype in wanted
        ]
        metafunc.parametrize("subject", parameters, indirect=True, scope="session")
    elif "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", [pytest.param(j, id=j.name) for j in able], indirect=True, scope="session")
    elif "registered" in metafunc.fixturenames:
        metafunc.parametrize("registered", [pytest.param(j, id=j.name) for j in _backends(metafunc.config)])


def _unless_declared(judged: Judged, dtype: str) -> list[pytest.MarkDecorator]:
    assert judged.backend is not None
    declared = dtype in judged.backend.dtypes
    return [] if declared else [pytest.mark.skip(reason=f"{judged.name} does not declare {dtype}")]


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return the backend that is judged."""
    backend: Backend = request.param.backend
    return backend


@pytest.fixture(scope="session")
def subject(request: pytest.FixtureRequest) -> Subject:
    """Return the backend that is judged, at one of its element types."""
    judged, dtype = request.param
    return Subject(judged.backend, dtype, judged.name)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Turn each backend's known failures into strict expected failures; an unknown id is a usage error.

    A warning is none: some tests compute with NaN, and the contract doesn't ask for silence.
    """
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings("default::RuntimeWarning"))
            # Scores are recorded as properties, which pytest complains of where a JUnit report is asked for.
            item.add_marker(pytest.mark.filterwarnings("ignore:record_property is incompatible:pytest.PytestWarning"))
    whole = not any("::" in argument for argument in config.args)
    for judged in _backends(config):
        if judged.backend is None:
            continue
        for test_id, reason in judged.backend.known_failures.items():
            matches = [item for item in items if test_id in _ids(item, judged)]
            for item in matches:
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
            if whole and not matches and _should_be_there(test_id, items):
                pytest.exit(
                    f"backend {judged.name}: known_failures names {test_id!r}, which is no test of this suite; "
                    f"write it like 'test_values.py::test_time_rnn' or with '[float32-3x7x4x5x11]' behind it",
                    returncode=USAGE_ERROR,
                )


def _ids(item: pytest.Item, judged: Judged) -> Iterator[str]:
    """Yield the ids by which ``known_failures`` can name a test: without the backend, with and without parameters."""
    callspec = getattr(item, "callspec", None)
    if not isinstance(item, pytest.Function) or callspec is None:
        return
    if "subject" in callspec.params and callspec.params["subject"][0] == judged:
        dtype = callspec.params["subject"][1]
        parameters = callspec.id.replace(f"{judged.name}-{dtype}", dtype, 1)
    elif callspec.params.get("backend") == judged:
        parameters = callspec.id.replace(judged.name, "", 1).strip("-").replace("--", "-")
    else:
        return
    base = f"{item.path.name}::{item.originalname}"
    yield base
    if parameters:
        yield f"{base}[{parameters}]"


def _should_be_there(test_id: str, items: list[pytest.Item]) -> bool:
    """Whether this run would have collected the test: its file was collected, or there is no such file."""
    file = test_id.partition("::")[0]
    module = f"timernn_suite.conformance.{file.removesuffix('.py')}"
    return any(item.path.name == file for item in items) or importlib.util.find_spec(module) is None
