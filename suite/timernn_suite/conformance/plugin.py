"""The pytest plugin: nothing but the options ``--rnn-…``, because it is loaded in every pytest run."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; what they do is in the conformance package."""
    group = parser.getgroup("timernn")
    group.addoption(
        "--rnn-backend",
        action="append",
        default=[],
        metavar="NAME",
        help="recurrent-layer backend to judge: a registered name or module:Class; may be repeated. "
        "It must be able to run. By default every registered backend, unavailable ones skipped with their reason.",
    )
    group.addoption(
        "--rnn-cases",
        type=int,
        default=200,
        metavar="N",
        help="how many generated cases each backend is judged on, for each element type (default: 200)",
    )
    group.addoption(
        "--rnn-seed", type=int, default=0, metavar="SEED", help="of the generated cases; the same seed draws the same"
    )
