"""What is published of a check: JUnit XML, a badge and a web page, none of which takes a backend's text for its own."""

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped

from timernn_suite.check import Document, Outcome, Scorecard, publish
from timernn_suite.check.junit import junit
from timernn_suite.check.page import page
from timernn_suite.check.publish import badge


@pytest.fixture
def sound(document):
    """Return the document of the backend that passes."""
    return Document(document.cards[:1], document.environment)


@pytest.fixture
def hostile(document):
    """Return the name of the other backend, which is a script."""
    return document.cards[1].backend


def test_junit_has_a_suite_a_backend_and_a_case_a_test(document):
    sound, faulty = JUnitXml.fromstring(junit(document).encode())
    assert (sound.name, sound.tests, sound.failures, sound.errors, sound.skipped) == ("sound", 4, 0, 0, 1)
    assert (faulty.tests, faulty.failures, faulty.errors, faulty.skipped) == (9, 1, 5, 2)
    assert sound.timestamp == "2026-01-31T12:00:00+00:00"
    assert sound.hostname is None
    first, *_, last = sound
    assert (first.classname, first.name, first.time, first.result) == ("contract", "test_can_run_here[sound]", 0.25, [])
    assert (last.classname, last.result) == ("language_model", [Skipped("needs the text", "skipped")])


def test_junit_says_how_each_test_failed_with_its_stack(document, hostile):
    assert hostile.startswith("<script>")
    faulty = list(JUnitXml.fromstring(junit(document).encode()))[1]
    assert faulty.name == hostile
    results = {case.name.partition("[")[0]: case.result[0] for case in faulty if case.result}
    failure, crash = results["test_time_rnn"], results["test_rnn_step"]
    assert isinstance(failure, Failure)
    assert failure.message == "wrong: hs; right: dxs"
    assert failure.text.endswith(f"hs: s = 12, and {hostile}")
    assert isinstance(crash, Error)
    assert (crash.type, crash.message) == ("CRASH(SIGSEGV)", "CRASH(SIGSEGV): the process died")
    assert "kernel.py:12 in forward" in crash.text
    ends = ("test_state_is_copied", "test_views", "test_ranks", "test_two")
    assert [results[name].type for name in ends] == ["HANG", "OOM", "FLOOD", "not run"]
    assert all(isinstance(results[name], Error) for name in ends)
    assert results["test_reset_state_forgets"] == Skipped(f"not yet {hostile}", "known failure")


def test_the_badge_is_an_endpoint_of_shields(document, sound):
    assert badge(sound) == {
        "schemaVersion": 1,
        "label": "conformance",
        "message": "3 passed",
        "color": "brightgreen",
    }
    assert badge(document) == badge(sound) | {"message": "6 failed", "color": "red"}
    nothing = Scorecard("idle", [Outcome("test_values.py::test_rnn", "skipped", message="no")], 0.1)
    assert badge(dataclasses.replace(sound, cards=[nothing])) == badge(document) | {"message": "nothing passed"}


class Seen(HTMLParser):
    """What of a page is a tag, and what of it is text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_no_text_of_a_backend_becomes_a_tag(document, hostile):
    seen = Seen(page(document))
    assert "script" not in {tag for tag, _ in seen.tags}
    assert seen.text.count(hostile) >= 6  # its name in each table, its message, its reason, its library
    assert f"hs: s = 12, and {hostile}" in seen.text
    assert f"not yet {hostile}" in seen.text
    assert not {"src", "onerror", "onload"} & {name for _, attributes in seen.tags for name in attributes}


def test_the_page_asks_for_nothing_from_anywhere(document):
    seen = Seen(page(document))
    (policy,) = [
        attributes["content"]
        for tag, attributes in seen.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'")
    links = [attributes["href"] for _, attributes in seen.tags if "href" in attributes]
    assert links
    assert all(link.startswith("#") for link in links)
    assert "://" not in page(document)
    anchors = {attributes["id"] for _, attributes in seen.tags if "id" in attributes}
    assert {link[1:] for link in links} <= anchors


def test_the_page_of_a_backend_without_a_word_of_itself_or_a_score(sound):
    silent = Scorecard("silent", [Outcome("import and collection", "crashed", 1.0, "CRASH(SIGABRT): it died")], 1.0)
    text = Seen(page(dataclasses.replace(sound, cards=[silent]))).text
    assert "CRASH(SIGABRT): it died" in text
    assert "import and collection" in text
    assert "Distance from the oracle" not in text


def test_every_file_is_written_over_an_older_one_and_whole(document, sound, tmp_path):
    publish(document, tmp_path)
    older = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    publish(sound, tmp_path)
    assert set(older) == {"scorecard.json", "junit.xml", "index.html", "badge.json"}
    newer = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert newer.keys() == older.keys()
    assert all(newer[name] != older[name] for name in older)
    assert Document.read(tmp_path / "scorecard.json") == sound
    assert json.loads(newer["badge.json"]) == badge(sound)
    assert newer["index.html"] == page(sound)
    assert newer["junit.xml"] == junit(sound)
