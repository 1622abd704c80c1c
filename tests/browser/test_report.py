"""The report in a real browser: what a reader sees, hears, filters, zooms and prints, and that it asks for nothing."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page

from tests.browser import history
from tests.browser.conftest import Axe, OpenPage
from traymon import words
from traymon.keeper.core.states import State
from traymon.report.model import BotFigures, Figures, OutageRow, Session, Tally
from traymon.report.page import render
from traymon.report.store import read

TOKYO = ZoneInfo("Asia/Tokyo")
WIDE = {"viewport": {"width": 1280, "height": 800}}
NARROW = {"viewport": {"width": 360, "height": 740}}
TWICE = {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2}
"""A window of 1280 × 800 at 200 %."""

HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\u202egnp.exe\x00&amp;\"'</script><script>alert(2)</script>"


def figures_of(folder: Path, days: int) -> Figures:
    history.write(folder / "log.sqlite3", days=days)
    return read(folder / "log.sqlite3", now_ms=history.NOW, zone=TOKYO)


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Figures:
    return figures_of(tmp_path_factory.mktemp("log"), 90)


@pytest.fixture(scope="module")
def address(figures: Figures, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the ninety days, as a file."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(figures, TOKYO), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def short_address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the last four days: everything is on it, and few rows, as axe looks at each of its elements."""
    folder = tmp_path_factory.mktemp("short")
    (folder / "report.html").write_text(render(figures_of(folder, 4), TOKYO), encoding="utf-8")
    return (folder / "report.html").as_uri()


@pytest.fixture
def show(tmp_path: Path) -> Callable[[Page, Figures], None]:
    def show(page: Page, figures: Figures) -> None:
        path = tmp_path / "page.html"
        path.write_text(render(figures, TOKYO), encoding="utf-8")
        page.goto(path.as_uri())

    return show


def one_bot(bot: BotFigures) -> Figures:
    return Figures(history.NOW, history.NOW - history.DAY, history.NOW, "Asia/Tokyo", (bot,))


# What is seen


def test_the_first_screen_answers_the_four_questions(page: Page, address: str, figures: Figures) -> None:
    page.goto(address)
    card = page.locator(".card").first
    box = card.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 800
    text = card.inner_text()
    bot = figures.bots[0]
    assert "deploybot" in text
    assert words.duration(bot.sessions[-1].lasted_ms) in text
    assert "2016-12-20 07:29:10" in text
    assert words.short_cause("abrupt_close") in text
    assert card.locator(".share").count() == 3


def test_it_asks_for_nothing(page: Page, address: str, requests: list[str]) -> None:
    page.goto(address)
    page.locator(".stretch input").last.check()
    page.select_option("[name=cause]", "abrupt_close")
    page.locator("summary").first.click()
    assert requests == [address]


def test_its_policy_forbids_what_somebody_might_put_in(
    page: Page, short_address: str, problems: list[str]
) -> None:
    page.goto(short_address)
    blocked = page.evaluate(
        """async () => {
            const blocked = [];
            addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
            const add = (name, values) => document.body.append(Object.assign(document.createElement(name), values));
            add("script", {textContent: "window.ran = true"});
            add("style", {textContent: "body { display: none }"});
            add("img", {src: "http://127.0.0.1:9/x.png"});
            document.body.insertAdjacentHTML("beforeend", "<p style='color: red' onclick='window.ran = true'>x</p>");
            await fetch("http://127.0.0.1:9/").catch(() => {});
            document.body.lastChild.click();
            await new Promise((done) => setTimeout(done));
            return [...blocked, window.ran];
        }"""
    )
    assert blocked.pop() is None
    assert {"script-src-elem", "style-src-elem", "img-src", "style-src-attr", "connect-src"} <= set(blocked)
    page.context.close()  # after that nothing more can be told
    problems.clear()  # the console told of each


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", [WIDE, NARROW, TWICE], ids=["wide", "narrow", "200%"])
def test_axe_finds_nothing_and_nobody_scrolls_sideways(
    open_page: OpenPage,
    short_address: str,
    axe: Axe,
    text_fits: Callable[[Page], bool],
    window: dict,
    scheme: str,
) -> None:
    page = open_page(color_scheme=scheme, **window)
    page.goto(short_address)
    page.locator("summary").first.click()
    assert axe(page) == []
    assert text_fits(page)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(paper.removeprefix("rgb(").split(",")[0]) > 127) is (scheme == "light")


def test_every_row_says_what_the_figures_say(page: Page, address: str, figures: Figures) -> None:
    page.goto(address)
    for number, bot in enumerate(figures.bots, 1):
        for kind in ("days", "weeks", "months"):
            seen = page.eval_on_selector_all(
                f"#bot-{number} table.{kind} tbody tr",
                "rows => rows.map(row => [row.textContent, {...row.dataset}])",
            )
            told = list(reversed(getattr(bot, kind)))
            assert len(seen) == len(told)
            for (text, data), period in zip(seen, told, strict=True):
                assert_tally(text, data, period.tally)
                assert int(data["at"]) == period.label_at
        total = page.eval_on_selector(f"#bot-{number}", "section => ({...section.dataset})")
        assert int(total["up"]) == bot.tally.up_ms


def assert_tally(text: str, data: dict[str, str], tally: Tally) -> None:
    told = {
        name: int(data[name]) for name in ("up", "down", "unknown", "paused", "asleep", "outages", "sessions")
    }
    assert told == {
        "up": tally.up_ms,
        "down": tally.down_ms,
        "unknown": tally.unknown_ms,
        "paused": tally.paused_ms,
        "asleep": tally.asleep_ms,
        "outages": tally.outages,
        "sessions": tally.sessions,
    }
    for share in (tally.uptime_awake, tally.uptime_known):
        assert share is None or words.percent(share) in text
    for length in (tally.up_ms, tally.down_ms, tally.unknown_ms):
        assert length == 0 or words.duration(length) in text


def test_the_lists_hold_every_session_and_outage_with_its_cause(
    page: Page, address: str, figures: Figures
) -> None:
    page.goto(address)
    for number, bot in enumerate(figures.bots, 1):
        for name, letter, told in (("outages", "o", bot.outages), ("sessions", "s", bot.sessions)):
            # textContent: what is not laid out yet has no innerText.
            seen = page.eval_on_selector_all(
                f"#bot-{number} table.{name} tbody tr",
                "rows => rows.map(row => [row.id, row.textContent, row.dataset.ms])",
            )
            assert [each[0] for each in seen] == [
                f"bot-{number}-{letter}{each.number}" for each in reversed(told)
            ]
            for (_, text, ms), each in zip(seen, reversed(told), strict=True):
                assert int(ms) == each.lasted_ms
                assert words.duration(each.lasted_ms) in text
                assert each.cause is None or (each.cause in text and words.short_cause(each.cause) in text)
                if isinstance(each, OutageRow):
                    assert (
                        words.cause(
                            each.cause, detail=each.detail, close_code=each.close_code, evidence=each.evidence
                        )
                        in text
                    )
                    assert words.probes(each.evidence) in text


def test_what_1006_was_this_time(page: Page, address: str, figures: Figures) -> None:
    page.goto(address)
    last = figures.bots[0].outages[-1]
    text = page.locator(f"#bot-1-o{last.number}").text_content() or ""
    assert "1006 abrupt_close" in text
    assert "Slack hung up without a close frame." in text
    assert "route, DNS, TCP and TLS to Slack fine" in text


def test_the_six_to_eight_hours_of_2016_are_named(page: Page, address: str) -> None:
    page.goto(address)
    note = page.locator("#bot-1 .note").text_content() or ""
    assert note.startswith("6 to 8 h: ")
    bar = page.locator("#bot-1 svg.bars rect.drop-0")
    heights = bar.evaluate_all(
        "bars => bars.map(bar => [bar.x.baseVal.valueInSpecifiedUnits, bar.getBBox().height])"
    )
    tallest = max(heights, key=lambda each: each[1])[0]
    zone = page.locator("#bot-1 .zone").evaluate(
        "zone => [zone.x.baseVal.valueInSpecifiedUnits, zone.width.baseVal.valueInSpecifiedUnits]"
    )
    assert zone[0] <= tallest <= zone[0] + zone[1]


def test_each_picture_has_its_figures_in_a_table(page: Page, address: str, figures: Figures) -> None:
    page.goto(address)
    bot = figures.bots[0]
    for kind, counts in (("lifetimes", bot.lifetimes.counts), ("hours", bot.hours.counts)):
        figure = page.locator(f"figure[aria-labelledby=bot-1-{kind}]")
        figure.locator("summary").click()
        cells = figure.locator("table td").all_inner_texts()
        assert sum(int(cell.replace(",", "")) for cell in cells if cell) == sum(map(sum, counts.values()))


# Keyboard, filter, zoom, print


def focused(page: Page) -> str:
    return str(
        page.evaluate(
            "document.activeElement.className || document.activeElement.name || document.activeElement.id"
        )
    )


def test_the_keyboard_reaches_everything_in_order(page: Page, short_address: str) -> None:
    page.goto(short_address)
    page.keyboard.press("Tab")
    assert focused(page) == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert focused(page) == "main"
    stops = []
    for _ in range(16):
        page.keyboard.press("Tab")
        stops.append(focused(page))
    wanted = ("bot", "cause", "bot-1-zoom", "window")
    assert tuple(dict.fromkeys(each for each in stops if each in wanted)) == wanted


def test_dates_below_the_timeline_are_whole(page: Page, short_address: str) -> None:
    page.goto(short_address)
    days = page.locator("#bot-1 .film td").evaluate_all(
        """cells => cells.map(cell => {
            const day = cell.querySelector("span"), room = cell.getBoundingClientRect()
            const seen = getComputedStyle(day).visibility === "visible"
            return [seen, day.getBoundingClientRect().right <= room.right]
        })"""
    )
    assert sum(seen for seen, _ in days) >= 3
    assert all(whole for seen, whole in days if seen)


def test_the_timeline_is_zoomed_and_moved_by_keyboard(page: Page, short_address: str) -> None:
    page.goto(short_address)
    page.locator("#bot-1 .stretch input").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#bot-1 .stretch input[value=day]").is_checked()
    window = page.locator("#bot-1 .window")
    width, shown, left = window.evaluate("view => [view.scrollWidth, view.clientWidth, view.scrollLeft]")
    assert width == pytest.approx(7 * shown, rel=0.01)
    assert left + shown == pytest.approx(width, abs=2)  # now is what is seen
    window.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("left => document.querySelector('.window').scrollLeft < left", arg=left)


def test_a_zoom_keeps_the_place(page: Page, short_address: str) -> None:
    page.goto(short_address)
    stretch = page.locator("#bot-1 .stretch")
    stretch.locator("[value=day]").check()
    window = stretch.locator(".window")
    middle = "view => (view.scrollLeft + view.clientWidth / 2) / view.scrollWidth"
    window.evaluate("view => { view.scrollLeft = view.scrollWidth / 3; }")
    # The place is kept in an event, which comes with the next frame.
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    before = window.evaluate(middle)
    stretch.locator("[value=hour]").check()
    assert window.evaluate(middle) == pytest.approx(before, abs=0.001)


def shown_rows(page: Page) -> dict[str, int]:
    return page.evaluate(
        """() => {
            const found = {};
            for (const row of document.querySelectorAll("div.list tbody tr")) {
                if (row.closest("[hidden]")) continue;
                for (const cause of row.dataset.causes.split(" ")) found[cause] = (found[cause] ?? 0) + 1;
            }
            return found;
        }"""
    )


def test_the_filter_shows_what_was_asked_for_and_stays_in_the_address(
    page: Page, address: str, figures: Figures
) -> None:
    page.goto(address)
    everything = sum(len(bot.outages) + len(bot.sessions) for bot in figures.bots)
    assert f"{everything} of {everything}" in page.locator("output").inner_text()
    page.select_option("[name=cause]", "reset")
    page.select_option("[name=bot]", "deploybot")
    bot = figures.bots[0]
    wanted = sum("reset" in each.causes for each in bot.outages) + sum(
        each.cause == "reset" for each in bot.sessions
    )
    assert wanted > 40
    assert shown_rows(page)["reset"] == wanted
    assert f"{wanted} of {everything}" in page.locator("output").inner_text()
    assert not page.locator("#bot-2").is_visible()
    assert page.url.endswith("#bot=deploybot&cause=reset")

    page.reload()
    assert page.locator("[name=cause]").input_value() == "reset"
    assert shown_rows(page)["reset"] == wanted

    page.click("button[type=reset]")
    page.wait_for_function("() => !location.hash.includes('=')")
    assert sum(shown_rows(page).values()) >= everything
    assert page.locator("#bot-2").is_visible()


def test_a_cause_that_a_bot_never_had_leaves_a_word_in_its_lists(page: Page, address: str) -> None:
    page.goto(f"{address}#cause=reset&bot=%3Cscript%3E")
    assert page.locator("[name=bot]").input_value() == ""
    assert page.locator("#bot-2 .nothing").first.is_visible()
    assert not page.locator("#bot-1 .nothing").first.is_visible()


def test_a_chunk_of_a_long_list_is_found_from_the_session(page: Page, address: str, figures: Figures) -> None:
    page.goto(address)
    oldest = figures.bots[0].outages[0]
    page.locator(f"#bot-1-sessions ~ .list a[href='#bot-1-o{oldest.number}']").click()
    row = page.locator(f"#bot-1-o{oldest.number}")
    page.wait_for_function(
        "id => { const box = document.getElementById(id).getBoundingClientRect(); "
        "return box.height > 0 && box.top < innerHeight && box.bottom > 0; }",
        arg=f"bot-1-o{oldest.number}",
    )
    assert row.is_visible()


def test_paper_has_all_that_is_shown_and_nothing_to_click(page: Page, address: str, figures: Figures) -> None:
    page.goto(address)
    page.select_option("[name=cause]", "reset")
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("#filter").is_visible()
    assert not page.locator("fieldset").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    laid_out = page.eval_on_selector_all(
        "#bot-1 table.outages tbody tr",
        "rows => rows.filter(row => row.getBoundingClientRect().height > 0).length",
    )
    assert laid_out == sum("reset" in each.causes for each in figures.bots[0].outages)
    filtered = page.pdf(format="A4", print_background=False)
    assert filtered.startswith(b"%PDF")

    page.evaluate("document.getElementById('filter').reset()")
    page.wait_for_function("() => !location.hash.includes('=')")
    whole = page.pdf(format="A4")
    assert pages(whole) > pages(filtered) > 3
    assert len(whole) < 2_000_000


def pages(pdf: bytes) -> int:
    return pdf.count(b"/Type /Page\n") or pdf.count(b"/Type /Page ") or pdf.count(b"/Type/Page/")


def test_without_a_script_everything_is_there(open_page: OpenPage, address: str, figures: Figures) -> None:
    page = open_page(java_script_enabled=False, **WIDE)
    page.goto(address)
    assert not page.locator("#filter").is_visible()
    assert page.locator("#bot-1 table.outages tbody tr").count() == len(figures.bots[0].outages)
    before = page.locator("#bot-1 .film").bounding_box()
    page.locator("#bot-1 .stretch [value=day]").check()
    after = page.locator("#bot-1 .film").bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] > 6 * before["width"]


# What may come from outside, and odd logs


def test_hostile_names_and_reasons_stay_text(
    page: Page, show: Callable[[Page, Figures], None], figures: Figures, axe: Axe
) -> None:
    facts = {"host": HOSTILE, HOSTILE: HOSTILE, "error": HOSTILE}
    bot = replace(
        figures.bots[0],
        bot=HOSTILE,
        workspace=HOSTILE,
        transport=HOSTILE,
        outages=(
            OutageRow(
                1, history.NOW - 5_000, None, 5_000, HOSTILE, (HOSTILE,), detail=HOSTILE, evidence=facts
            ),
            OutageRow(
                2,
                history.NOW - 4_000,
                None,
                4_000,
                "closed_by_slack",
                ("closed_by_slack",),
                1,
                1001,
                HOSTILE,
                facts,
            ),
        ),
        sessions=(
            Session(1, history.NOW - 9_000, history.NOW - 8_000, 1_000, HOSTILE, 4000, HOSTILE, facts),
        ),
    )
    show(page, replace(figures, bots=(bot, replace(figures.bots[1], outages=(), sessions=())), zone=HOSTILE))
    assert page.locator("img, iframe, object").count() == 0
    assert page.locator("script").count() == 1
    shown = words.printable(HOSTILE)
    assert page.locator("h2 bdi").first.inner_text() == shown
    assert shown in (page.locator("#bot-1-o1").text_content() or "")
    assert page.locator("[name=cause] option").count() == 3
    page.select_option("[name=bot]", shown)
    assert page.locator("#bot-1").is_visible()
    text = page.locator("body").inner_text()
    assert not {"\x1b", "\u202e", "\x00"} & set(text)
    assert axe(page) == []


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_sign_of_its_own(
    page: Page, show: Callable[[Page, Figures], None], state: State
) -> None:
    bot = BotFigures("helper", "socket", state, history.NOW - 90_000, Tally(unknown_ms=90_000))
    show(page, one_bot(bot))
    assert words.state(state).lower() in page.locator(".now").inner_text().lower()
    box = page.locator(f".now .sign-{state} use").bounding_box()
    assert box is not None
    assert box["width"] > 5


def test_signs_differ_in_shape(page: Page, show: Callable[[Page, Figures], None]) -> None:
    bots = tuple(BotFigures(str(state), "rtm", state, None, Tally()) for state in State)
    show(page, replace(one_bot(bots[0]), bots=bots))
    shapes = page.eval_on_selector_all(
        "symbol[id^=sign]", "symbols => symbols.map(symbol => symbol.innerHTML)"
    )
    assert len(set(shapes)) == len(State)


def test_a_log_that_is_empty_says_so(page: Page, show: Callable[[Page, Figures], None], axe: Axe) -> None:
    show(page, Figures(history.NOW, history.NOW, history.NOW, "Asia/Tokyo"))
    assert "The log is empty" in page.locator("main").inner_text()
    assert page.locator("form").count() == 0
    assert axe(page) == []


def test_a_log_of_ten_minutes_is_no_odd_page(
    page: Page, show: Callable[[Page, Figures], None], tmp_path: Path, axe: Axe
) -> None:
    history.write(tmp_path / "log.sqlite3", days=1)
    first = history.NOW - history.DAY + 7 * history.HOUR
    young = read(tmp_path / "log.sqlite3", now_ms=first + 600_000, zone=TOKYO)
    show(page, replace(young, until=first + 600_000))
    assert page.locator("#bot-1 .stretch input").count() == 3
    assert axe(page) == []


def test_how_fast(page: Page, address: str, figures: Figures, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed, not asserted: two cores may be busy with other things. The budget is a second to make and open."""
    began = time.perf_counter()
    html = render(figures, TOKYO)
    made = time.perf_counter() - began
    page.goto(address)
    timing = json.loads(page.evaluate("JSON.stringify(performance.getEntriesByType('navigation')[0])"))
    assert timing["loadEventEnd"] > 0
    with capsys.disabled():
        print(
            f"\nreport: made in {made:.2f} s, opened in {timing['loadEventEnd'] / 1000:.2f} s, {len(html):,} characters"
        )
