"""The pytest plugin: nothing but the option ``--rnn-backend``, because it is loaded in every pytest run."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option; what it does is in the conformance package's own conftest."""
    parser.getgroup("timernn").addoption(
        "--rnn-backend",
        action="append",
        default=[],
        metavar="NAME",
        help="recurrent-layer backend to judge: a registered name or module:Class; may be repeated. "
        "It must be able to run. By default every registered backend, unavailable ones skipped with their reason.",
    )
