"""Makes what a backend says fit for a record: no control codes, no folders of this machine, no text without end."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

#: Characters of one text that are kept.
LONGEST = 10_000
#: What neither XML nor UTF-8 nor a terminal takes well: control codes, halves of surrogate pairs.
_UNFIT = re.compile(r"[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: An absolute path begins with a drive, or with a slash that ends no word and isn't one of a web address.
_ROOT = r"(?:(?<!\w)[A-Za-z]:[\\/]|(?<![\w.)/\\])/(?!/))"
_PART, _QUOTED_PART = r"[^\s'\":,;()\[\]{}<>/\\]+", r"[^'\"\n/\\]+"  # inside quotes it may hold spaces
_PATH = re.compile(
    rf"(?<=['\"]){_ROOT}(?:{_QUOTED_PART}[/\\]+)+(?:{_QUOTED_PART})?|{_ROOT}(?:{_PART}[/\\]+)+(?:{_PART})?"
)


def fit_text(text: str) -> str:
    """Return a text of moderate length without control codes, and of every absolute path only the last part."""
    text = _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)
    text = _PATH.sub(lambda path: re.split(r"[\\/]", path[0].rstrip("\\/"))[-1], text)
    rest = len(text) - LONGEST
    return text if rest <= 0 else f"{text[:LONGEST]}… and {rest:,} characters more"


def fit_value(value: Any) -> Any:
    """Return a value of plain JSON: texts made fit, and what JSON doesn't know as its text."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return {fit_text(str(key)): fit_value(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [fit_value(item) for item in value]
    return fit_text(str(value))
