"""Libraries that are timed beside the backends without being one; each is imported in its own worker alone."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """A peer: the library that it needs, and the module of ours that runs it."""

    library: str
    module: str

    @property
    def installed(self) -> bool:
        """Whether the library is there; it isn't imported to find out."""
        return importlib.util.find_spec(self.library) is not None


#: By the names that they are asked for.
PEERS = {
    "peer:torch": Peer("torch", "timernn_suite.speed.peers.torch_rnn"),
    "peer:jax": Peer("jax", "timernn_suite.speed.peers.jax_scan"),
    "peer:jax-adjoint": Peer("jax", "timernn_suite.speed.peers.jax_adjoint"),
}


def module_of(name: str) -> str:
    """Return the module behind ``peer:NAME``; a name that isn't in the table is itself that of a module."""
    return PEERS[name].module if name in PEERS else name.removeprefix("peer:")
