"""What a new backend is called: its name, and the module, class and distribution that follow from it."""

from __future__ import annotations

import importlib.util
import keyword
import re
from dataclasses import dataclass

from timernn import backend_names

LONGEST = 50
_PREFIX = "timernn-"


class SkeletonError(ValueError):
    """A new backend can't be written: its name is not one that it could have."""


@dataclass(frozen=True)
class Names:
    """The names of a new backend's parts.

    Attributes
    ----------
    name : str
        As it is registered and asked for.
    """

    name: str

    @classmethod
    def parse(cls, name: str) -> Names:
        """Return the names that follow from ``name``.

        Raises
        ------
        SkeletonError
            If no backend can be called that, or one is already.
        """
        if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?", name) or len(name) > LONGEST:
            raise SkeletonError(
                f"NAME: must be letters, digits, '-' or '_', begin with a letter, end with a letter or a digit, and be "
                f"no longer than {LONGEST}, got {name!r}"
            )
        names = cls(name)
        if names.key.startswith(_PREFIX):
            raise SkeletonError(f"NAME: must be without {_PREFIX!r}, which is put before it, got {name!r}")
        if keyword.iskeyword(name) or keyword.iskeyword(names.key):
            raise SkeletonError(f"NAME: must not be a keyword of Python, got {name!r}")
        registered = backend_names()
        if names.key in {cls(other).key for other in registered}:
            raise SkeletonError(
                f"NAME: must not be that of a registered backend ({', '.join(registered)}), got {name!r}"
            )
        if importlib.util.find_spec(names.module) is not None:
            raise SkeletonError(f"NAME: its module would be {names.module}, and there is one already, got {name!r}")
        return names

    @property
    def key(self) -> str:
        """The name as names are compared: case, '-' and '_' make no difference."""
        return re.sub(r"[-_]+", "-", self.name).lower()

    @property
    def distribution(self) -> str:
        """The distribution's name, and its folder's."""
        return _PREFIX + self.name

    @property
    def module(self) -> str:
        """The module's name."""
        return self.distribution.replace("-", "_").lower()

    @property
    def class_name(self) -> str:
        """The class's name: ``my-lib`` has ``MyLibBackend``."""
        return "".join(word[:1].upper() + word[1:] for word in re.split("[-_]", self.name)) + "Backend"
