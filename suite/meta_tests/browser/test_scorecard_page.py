"""The scorecard's web page as a browser shows it: wide and narrow, light and dark, from a file, with no network."""

from __future__ import annotations

import pytest

from timernn_suite.check import publish
from timernn_suite.conformance.support.tolerance import LIMIT

WIDTHS, SCHEMES = (1280, 375), ("light", "dark")


@pytest.fixture(params=[(width, scheme) for width in WIDTHS for scheme in SCHEMES], ids=lambda p: f"{p[0]}-{p[1]}")
def visit(request, open_page, document, tmp_path):
    """Open the page as it is published, at one width and in one scheme of colours."""
    publish(document, tmp_path)
    with open_page((tmp_path / "index.html").as_uri(), *request.param) as made:
        yield made


def test_it_asks_for_nothing_and_complains_of_nothing(visit, tmp_path):
    visit.page.wait_for_load_state("networkidle")
    assert visit.asked == [(tmp_path / "index.html").as_uri()]
    assert visit.complaints == []
    assert visit.page.title().startswith("FAILED: conformance of sound, <script>")  # and the script didn't change it


def test_the_groups_stand_side_by_side_with_their_numbers(visit):
    rows = {group: cells for group, *cells in visit.rows("table.groups")}
    assert len(rows) == 7
    assert rows["Contract: names and signatures"] == ["1", "0", "0", "0", "", "1", "0", "0", "0", ""]
    assert rows["Values and gradients against the oracle"] == [
        *("2", "0", "0", "0", "4.50 dxs"),
        *("0", "✗ 2", "0", "0", "✗ ∞ dh"),
    ]
    assert rows["State and truncation"] == ["0", "0", "0", "0", "", "0", "✗ 1", "! 1", "0", ""]
    assert rows["Language model and perplexity"] == ["0", "0", "0", "– 1", "", "0", "0", "0", "– 1", ""]
    ((_, *total),) = visit.rows("table.groups", "tfoot")
    assert total == ["3", "0", "0", "– 1", "4.50 dxs", "1", "✗ 6", "! 1", "– 1", "✗ ∞ dh"]
    headings = visit.page.locator("table.groups thead th")
    assert headings.count() == 1 + 2 + 2 * 5
    assert {heading.get_attribute("scope") for heading in headings.all()} == {"col", "colgroup"}


def test_the_scores_are_bars_against_the_limit(visit):
    assert visit.rows("table.scores") == [
        ["dh", "not measured", "✗ ∞"],
        ["dxs", "4.50", "1.00"],
        ["hs", "3.00", "✗ 12.00"],
    ]
    widths = visit.page.locator(".bar").evaluate_all(
        "bars => bars.map(bar => bar.firstChild.getBoundingClientRect().width / bar.getBoundingClientRect().width)"
    )
    assert widths == pytest.approx([1, 4.5 / LIMIT, 1 / LIMIT, 3 / LIMIT, 1], abs=0.01)


def test_what_did_not_pass_opens_with_its_message(visit):
    values = visit.page.locator("details", has_text="test_rnn_step").first
    assert values.get_attribute("open") is not None  # a group in which something fails is open from the start
    crash = values.locator("details.test", has_text="CRASH(SIGSEGV): the process died")
    stack = crash.locator("pre")
    assert not stack.is_visible()
    crash.locator("summary").click()
    assert stack.is_visible()
    assert "mine/kernel.py:12 in forward" in stack.inner_text()
    skipped = visit.page.get_by_text("needs the text").first
    assert not skipped.is_visible()
    visit.page.locator("summary", has_text="Language model and perplexity").first.click()
    assert skipped.is_visible()


def test_a_number_of_failures_leads_to_them(visit):
    visit.page.locator("table.groups tbody a").first.click()
    place = visit.page.evaluate("document.querySelector(':target').getBoundingClientRect().top")
    assert visit.page.locator(":target summary").first.inner_text().startswith("Values and gradients")
    assert 0 <= place < 900


def test_it_is_no_wider_than_the_screen_also_with_all_opened(visit, screenshots):
    visit.page.screenshot(path=screenshots / f"{visit.width}-{visit.scheme}.png", full_page=True)
    visit.page.locator("details").evaluate_all("every => every.forEach(one => { one.open = true })")
    visit.page.screenshot(path=screenshots / f"{visit.width}-{visit.scheme}-opened.png", full_page=True)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= visit.width
    assert visit.page.evaluate("document.documentElement.clientWidth") == visit.width
    region = visit.page.get_by_role("region", name="By group")
    scrolls = region.evaluate("element => element.scrollWidth > element.clientWidth")
    assert scrolls == (visit.width == min(WIDTHS))  # on a phone the table moves in its frame
    assert region.get_attribute("tabindex") == "0"  # and with the keyboard


def test_the_colours_are_those_of_the_scheme_and_can_be_read(visit):
    ground = visit.luminance("body", "backgroundColor")
    assert (ground < 0.1) == (visit.scheme == "dark")
    for place in ("body", ".muted", "td.bad", "td.known-failure", "td.none", "a"):
        text = visit.luminance(place, "color")
        assert (max(text, ground) + 0.05) / (min(text, ground) + 0.05) >= 4.5, place
    for kind in ("passed", "bad", "known-failure", "skipped"):
        text, behind = (visit.luminance(f".tag.{kind}", style) for style in ("color", "backgroundColor"))
        assert (max(text, behind) + 0.05) / (min(text, behind) + 0.05) >= 4.5, kind
