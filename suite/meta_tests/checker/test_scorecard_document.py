"""The document of a check: complete, valid by the schema that is published, read again as it was written."""

from __future__ import annotations

import copy
import json
import math

import jsonschema
import pytest

from timernn_suite.check import Document, DocumentError
from timernn_suite.check.document import schema
from timernn_suite.check.hearsay import LONGEST, fit_text
from timernn_suite.check.scorecard import OUTCOMES

VALIDATOR = jsonschema.Draft202012Validator(schema())


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["$defs"]["outcome"]["enum"] == list(OUTCOMES)


def test_the_document_is_valid_and_sums_up_its_tests(document):
    record = json.loads(json.dumps(document.as_record(), allow_nan=False))
    assert list(VALIDATOR.iter_errors(record)) == []
    sound, faulty = record["backends"]
    assert (sound["passed"], faulty["passed"]) == (True, False)
    assert sound["counts"] == dict.fromkeys(OUTCOMES, 0) | {"passed": 3, "skipped": 1}
    assert faulty["counts"] == dict.fromkeys(OUTCOMES, 1)
    assert list(sound["groups"]) == ["contract", "values", "language_model"]
    values = sound["groups"]["values"]
    assert (values["title"], values["seconds"]) == ("Values and gradients against the oracle", 2.0)
    assert values["largest_scores"] == [
        {"s": 4.5, "tensor": "dxs", "test": "test_values.py::test_time_rnn[sound-float32]"},
        {"s": 3.0, "tensor": "hs", "test": "test_values.py::test_time_rnn[sound-float64]"},
    ]
    assert {score["tensor"]: score["s"] for score in faulty["largest_scores"]} == {"dh": None, "dxs": 1.0, "hs": 12.0}
    assert all(test["message"] for test in faulty["tests"] if test["outcome"] != "passed")
    assert (faulty["selection"]["keyword"], faulty["limits"]["test_seconds"]) == ("not slow", 10.0)


def test_what_is_read_is_what_was_written(document, tmp_path):
    path = tmp_path / "scorecard.json"
    path.write_text(json.dumps(document.as_record()), encoding="utf-8")
    read = Document.read(path)
    assert read == document
    assert read.cards[1].largest_score().s == math.inf


@pytest.fixture
def spoil(document):
    """Return a function that sets one place of the document's record, or takes it out."""

    def spoilt(*place, **values):
        record = copy.deepcopy(document.as_record())
        holder = record
        for key in place:
            holder = holder[key]
        for key, value in values.items():
            if value is GONE:
                del holder[key]
            else:
                holder[key] = value
        return record

    return spoilt


GONE = object()
TEST = ("backends", 1, "tests", 1)
SPOILT = {
    "a version of the future": ((), {"schema": 2}),
    "no backends": ((), {"backends": GONE}),
    "a key that is nowhere described": ((), {"hostname": "here"}),
    "no date": (("environment",), {"date": GONE}),
    "no limits": (("backends", 0), {"limits": GONE}),
    "a verdict that is none": (("backends", 0), {"passed": "yes"}),
    "an outcome that there is not": (TEST, {"outcome": "odd"}),
    "a failure without a message": (TEST, {"message": GONE}),
    "a score that is no number": ((*TEST, "scores"), {"hs": "inf"}),
    "fewer than none": (("backends", 0, "counts"), {"passed": -1}),
    "a limit that is missing": (("backends", 0, "limits"), {"memory_mib": GONE}),
    "a backend that says too little": (("backends", 0, "about"), {"dtypes": GONE}),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_a_spoilt_document_is_invalid_and_is_not_read(spoil, tmp_path, fault):
    place, values = SPOILT[fault]
    record = spoil(*place, **values)
    assert not VALIDATOR.is_valid(record)
    path = tmp_path / "spoilt.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(DocumentError, match=r"spoilt\.json (is no scorecard|has the schema version 2)"):
        Document.read(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it isn't JSON"),
        (b"\xff\xfe", "it isn't JSON"),
        (b"[]", "at the whole: "),
        (b'{"passed": true}', "is a required property"),
        (b'{"schema": "1"}', "has the schema version '1', and this timernn reads 1"),
    ],
)
def test_a_file_of_something_else_is_not_read(tmp_path, content, said):
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(DocumentError) as told:
        Document.read(path)
    assert said in str(told.value)


def test_a_file_that_is_not_there_is_an_error_with_its_name(tmp_path):
    with pytest.raises(DocumentError, match=r"none\.json can't be read: No such file"):
        Document.read(tmp_path / "none.json")


TEXTS = {
    "No such file: '/home/some one/a b/x.py'": "No such file: 'x.py'",
    "in /usr/lib/libx.so.1: undefined symbol": "in libx.so.1: undefined symbol",
    r"C:\Users\someone\x.py, line 3": "x.py, line 3",
    "path:/opt/lib/": "path:lib",
    "see https://example.org/a/b, and/or 1/2": "see https://example.org/a/b, and/or 1/2",
    "</pre></script>": "</pre></script>",
    "a\tb\nc": "a\tb\nc",
    "\x1b[31m\x00\ud800": "\N{REPLACEMENT CHARACTER}[31m" + 2 * "\N{REPLACEMENT CHARACTER}",
    "×" * (LONGEST + 1500): "×" * LONGEST + "… and 1,500 characters more",
}


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_no_folder_and_no_control_code_of_a_message_is_kept(text):
    assert fit_text(text) == TEXTS[text]
