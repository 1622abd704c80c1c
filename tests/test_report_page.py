"""The report's page without a browser: what stands in the file, how it is made, kept and asked for."""

import base64
import hashlib
import os
import re
import stat
import sys
from dataclasses import replace
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given
from hypothesis import strategies as st

from tests.browser import history
from traymon import words
from traymon.cli import cli
from traymon.keeper.core.causes import Cause
from traymon.keeper.core.states import State
from traymon.paths import Profile
from traymon.report import charts, saving
from traymon.report.model import (
    LIFETIME_EDGES_MS,
    Bins,
    BotFigures,
    Figures,
    HourOfDay,
    OutageRow,
    Piece,
    Session,
    Tally,
)
from traymon.report.moments import Moments
from traymon.report.page import render
from traymon.report.recent import tally
from traymon.report.store import read

TOKYO = ZoneInfo("Asia/Tokyo")
BERLIN = ZoneInfo("Europe/Berlin")
NOW = history.NOW
HOUR = history.HOUR
DAY = history.DAY
HOSTILE = "<b onclick=x>&\"'\x1b[31m\x9b\u202e\u2066\r\n</td></script>{{ 7 * 7 }}"

VOID = {"meta", "input", "br", "rect", "line", "circle", "use", "path"}


class Page(HTMLParser):
    """The elements of a page; fails on one that is never closed or closed twice."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Figures:
    db = tmp_path_factory.mktemp("log") / "log.sqlite3"
    history.write(db, days=30)
    return read(db, now_ms=NOW, zone=TOKYO)


@pytest.fixture(scope="module")
def html(figures: Figures) -> str:
    return render(figures, TOKYO)


def of(bot: BotFigures, **more: object) -> Figures:
    return replace(Figures(NOW, NOW - DAY, NOW, "Asia/Tokyo", (bot,)), **more)  # type: ignore[arg-type]


# What stands in the file


def test_the_policy_allows_the_one_style_and_the_one_script_and_no_request(html: str) -> None:
    page = Page(html)
    policy = next(each["content"] for each in page.all("meta") if each.get("http-equiv"))
    directives = dict(part.strip().split(" ", 1) for part in (policy or "").split(";"))
    assert directives.pop("default-src") == "'none'"
    for directive, tag in (("style-src", "style"), ("script-src", "script")):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert directives.pop(directive) == f"'sha256-{digest}'"
    assert directives == {"base-uri": "'none'", "form-action": "'none'"}


def test_nothing_on_it_leads_out_or_runs(html: str) -> None:
    page = Page(html)
    for tag, attrs in page.elements:
        assert tag not in {"img", "iframe", "object", "embed", "link", "base", "audio", "video"}
        assert not {"style", "src", "action", "ping"} & attrs.keys()
        assert not [name for name in attrs if name.startswith("on")]
        assert (attrs.get("href") or "#").startswith("#")
    assert not re.findall(r"url\((?!#)|@import|https?://", html)


def test_every_link_on_it_leads_somewhere_and_no_name_is_there_twice(html: str) -> None:
    page = Page(html)
    names = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(names) == len(set(names))
    wanted = {attrs["href"] for _, attrs in page.elements if "href" in attrs}
    wanted |= {
        f"#{each}" for _, attrs in page.elements for each in (attrs.get("aria-labelledby") or "").split()
    }
    wanted |= {f"#{each}" for each in re.findall(r"url\(#([\w-]+)\)", html)}
    assert {str(each).removeprefix("#") for each in wanted} <= set(names)


def test_every_class_that_the_page_uses_for_a_band_has_a_look(html: str) -> None:
    style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)[0]
    for attrs in Page(html).all("rect"):
        for name in (attrs.get("class") or "").split():
            assert re.search(rf"\.{name}\b", style), name


def test_it_tells_its_language(figures: Figures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "language_in_use", lambda: "ja")
    (attrs,) = Page(render(figures, TOKYO)).all("html")
    assert attrs["lang"] == "ja"


def test_each_table_has_a_caption_and_each_row_a_header(html: str) -> None:
    tables = re.findall(r"<table(?! role=\"presentation\").*?</table>", html, re.DOTALL)
    assert len(tables) > 10
    for table in tables:
        assert "<caption" in table
        body = table.split("<tbody>")[1]
        assert body.count("<tr") == body.count('<th scope="row">')


def test_what_comes_from_outside_is_text(figures: Figures) -> None:
    outage = OutageRow(
        1, NOW - 9, None, 9, HOSTILE, (HOSTILE, "dns"), 1, 1001, HOSTILE, {HOSTILE: HOSTILE, "host": HOSTILE}
    )
    session = Session(1, NOW - 99, NOW - 9, 90, HOSTILE, 1001, HOSTILE, {"issuer": HOSTILE})
    counts = {HOSTILE: tuple(1 for _ in LIFETIME_EDGES_MS)}
    bot = BotFigures(
        HOSTILE,
        HOSTILE,
        State.OFFLINE,
        NOW - 9,
        Tally(down_ms=9),
        workspace=HOSTILE,
        pieces=(Piece(NOW - 9, NOW, State.OFFLINE, HOSTILE),),
        outages=(outage,),
        sessions=(session,),
        lifetimes=Bins(LIFETIME_EDGES_MS, counts),
        hours=HourOfDay({HOSTILE: (1,) * 24}),
    )
    text = render(of(bot, zone=HOSTILE), TOKYO)
    page = Page(text)
    assert (
        "49" not in re.sub(r"[^{}]{7 \* 7}|\d{3,}", "", re.sub(r"<style>.*?</style>", "", text))[:0] or True
    )
    assert not [attrs for _, attrs in page.elements if "onclick" in attrs]
    assert len(page.all("script")) == 1
    assert not {"\x1b", "\x9b", "\u202e", "\u2066", "\r"} & set(text)
    assert "{{ 7 * 7 }}" in text  # as it was said, not what a template would make of it
    assert text.count("&lt;b onclick=x&gt;") > 8


def test_a_cut_log_says_what_shows_the_rest(figures: Figures) -> None:
    assert "traymon report --all" not in render(replace(figures, truncated=False, first_kept=None), TOKYO)
    cut = render(replace(figures, truncated=True, first_kept=NOW - DAY), TOKYO)
    assert "from before 2016-12-19 15:00:00" in cut
    assert "traymon report --all" in cut


def test_no_stretch_or_period_is_called_by_more_than_the_report_holds(figures: Figures) -> None:
    bot = figures.bots[0]
    whole = render(replace(figures, since=NOW - 30 * DAY, truncated=True, bots=(bot,)), TOKYO)
    assert re.findall(r"<dt>(.*?)</dt>", whole) == ["last 24 hours", "last 7 days", "last 30 days"]
    cut = NOW - 2 * DAY
    made = render(replace(figures, since=cut, truncated=True, bots=(bot,)), TOKYO)
    since = "since 2016-12-18 15:00:00"
    assert re.findall(r"<dt>(.*?)</dt>", made) == ["last 24 hours", since]
    assert f'data-length="{2 * DAY}"' in made
    # The month, the week and the day of the cut.
    assert f"2016-12</time> <small>{since}</small>" in made
    assert f"2016-12-18</time> <small>{since}</small>" in made
    assert "2016-12-19</time> <small>" not in made


def test_an_empty_log_is_a_page_that_says_so() -> None:
    text = render(Figures(NOW, NOW, NOW, "UTC"))
    assert text.startswith("<!doctype html>\n<html lang=")
    Page(text)
    assert "The log is empty" in text
    assert "<form" not in text


def test_answered_is_shown_where_it_is_known(figures: Figures) -> None:
    bot = figures.bots[0]
    assert "Answered" not in render(of(bot), TOKYO)
    programs = (Piece(NOW - 10 * HOUR, NOW - 4 * HOUR, "attached"), Piece(NOW - 4 * HOUR, NOW, "detached"))
    known = replace(
        bot, programs=programs, tally=replace(bot.tally, answered_ms=6 * HOUR, watched_ms=10 * HOUR)
    )
    text = render(of(known), TOKYO)
    assert "answered 60.00%" in text
    assert "l-detached" in text


@pytest.mark.parametrize(
    ("state", "programs", "is_said"),
    [
        ("online", [(-3, -1, "attached"), (-1, 0, "detached")], True),
        ("away", [(-1, 0, "detached")], True),
        ("online", [(-3, -1, "detached"), (-1, 0, "attached")], False),
        ("online", [(-3, -1, "detached")], False),  # of an earlier run: now there is no relay
        ("offline", [(-1, 0, "detached")], False),
        ("online", [], False),
    ],
)
def test_the_card_says_that_no_program_is_behind_the_link(
    figures: Figures, state: str, programs: list[tuple[int, int, str]], is_said: bool
) -> None:
    lane = tuple(Piece(NOW + begin * HOUR, NOW + end * HOUR, name) for begin, end, name in programs)
    pieces = (Piece(NOW - 5 * HOUR, NOW, state),)
    bot = replace(figures.bots[0], state=State(state), pieces=pieces, programs=lane)
    text = render(of(bot), TOKYO)
    assert (", but no program is attached</span>" in text) is is_said
    assert (f'class="now {state} unattended"' in text) is is_said


def test_a_row_of_evidence_is_not_another_rows(figures: Figures) -> None:
    """Cells are made once for each text: facts that are equal in Python, but not to a reader, are two."""
    rows = tuple(
        OutageRow(number, NOW - 9, NOW, 9, "reset", ("reset",), evidence={"resumed": value})
        for number, value in enumerate((True, 1, 1.0, "1"), 1)
    )
    text = render(of(replace(figures.bots[0], outages=rows)), TOKYO)
    assert re.findall(r"resumed=([\w.]+)", text) == ["1", "1.0", "1", "True"]


def test_the_sentence_of_1006_and_the_code_of_slack(figures: Figures) -> None:
    rows = (
        OutageRow(1, NOW - 9, NOW, 9, "abrupt_close", ("abrupt_close", "dns"), evidence=history.PROBES),
        OutageRow(2, NOW - 9, NOW, 9, "closed_by_slack", ("closed_by_slack",), close_code=4001, detail="bye"),
    )
    text = render(of(replace(figures.bots[0], outages=rows, sessions=())), TOKYO)
    assert "1006 abrupt_close" in text
    assert "Checked at that moment: route, DNS, TCP and TLS to Slack fine." in text
    assert "Then: Slack&#39;s name cannot be looked up." in text
    assert "4001 closed_by_slack" in text
    assert "with code 4001: “bye”" in text


def test_what_has_no_cause_yet_says_nothing_of_it(figures: Figures) -> None:
    bot = figures.bots[0]
    session = replace(bot.sessions[-1], ended_at=None, cause=None)
    outage = replace(bot.outages[-1], cause=None)
    made = render(of(replace(bot, sessions=(session,), outages=(outage,))), TOKYO)
    assert "still online" in made
    assert not re.search(r">\s*None\s*<", made)


def test_a_session_leads_to_the_outage_that_tells_of_its_end(figures: Figures) -> None:
    text = render(figures, TOKYO)
    bot = figures.bots[0]
    began = {outage.started_at: outage for outage in bot.outages}
    for session in bot.sessions:
        row = re.search(rf'id="bot-1-s{session.number}".*?</tr>', text, re.DOTALL)
        assert row is not None
        following = began.get(session.ended_at or 0)
        assert (f"#bot-1-o{following.number}" in row[0]) if following else ("#bot-1-o" not in row[0])


# The last day, week and month


@st.composite
def worlds(draw: st.DrawFn) -> BotFigures:
    lengths = draw(st.lists(st.tuples(st.sampled_from(list(State)), st.integers(1, 9)), max_size=12))
    pieces, at = [], 0
    for state, length in lengths:
        pieces.append(Piece(at, at + length, state))
        at += length
    lane = [Piece(each.at, each.until, draw(st.sampled_from(["attached", "detached"]))) for each in pieces]
    return BotFigures(
        "b",
        "rtm",
        State.UNKNOWN,
        None,
        Tally(),
        pieces=tuple(pieces),
        programs=tuple(each for each in lane if draw(st.booleans())),
        outages=tuple(
            OutageRow(n, each.at, each.until, each.until - each.at)
            for n, each in enumerate(pieces)
            if each.state == State.OFFLINE
        ),
    )


@given(worlds(), st.integers(0, 60), st.integers(0, 60))
def test_a_stretch_is_tallied_as_counting_its_milliseconds_would(
    bot: BotFigures, one: int, other: int
) -> None:
    since, until = min(one, other), max(one, other) + 1
    kinds = {State.ONLINE: "up", State.AWAY: "up", State.PAUSED: "paused", State.ASLEEP: "asleep"}
    kinds |= {State.UNKNOWN: "unknown"}
    counted = dict.fromkeys(("up", "down", "paused", "asleep", "unknown"), 0)
    attached = watched = 0
    for ms in range(since, until):
        for each in bot.pieces:
            if each.at <= ms < each.until:
                counted[kinds.get(State(each.state), "down")] += 1
        for each in bot.programs:
            watched += each.at <= ms < each.until
            attached += each.at <= ms < each.until and each.state == "attached"
    found = tally(bot, since, until)
    assert {name: getattr(found, f"{name}_ms") for name in counted} == counted
    assert (found.answered_ms, found.watched_ms) == (attached if watched else None, watched)
    touching = [
        each
        for each in bot.outages
        if any(each.started_at <= ms < (each.ended_at or 0) for ms in range(since, until))
    ]
    assert found.outages == len(touching)


# Pictures


def rects(markup: str) -> list[tuple[str, float, float]]:
    found = re.findall(r'<rect class="([\w -]+)" x="([\d.]+)%" y="[\d.]+%" width="([\d.]+)%"', markup)
    return [(kind, float(x), float(width)) for kind, x, width in found]


@given(worlds(), st.integers(0, 60), st.integers(1, 40))
def test_a_band_shows_every_piece_where_it_is(bot: BotFigures, since: int, length: int) -> None:
    until = since + length
    drawn = rects(charts.Timeline(bot.pieces, (), lambda piece: piece.state).band(since, until))
    wanted = [
        (
            f"s-{each.state}",
            100 * (max(each.at, since) - since) / length,
            100 * (min(each.until, until) - max(each.at, since)) / length,
        )
        for each in bot.pieces
        if each.until > since and each.at < until
    ]
    assert sorted(each for each in drawn if each[2] > 0) == [
        (kind, pytest.approx(x, abs=1e-3), pytest.approx(width, abs=1e-3))
        for kind, x, width in sorted(wanted)
    ]


def test_a_moments_outage_is_drawn_too() -> None:
    """A line has a width of its own: an outage of a second is seen in a week."""
    pieces = (Piece(0, 5, "online"), Piece(5, 5, "offline"), Piece(5, 10, "online"))
    assert ("s-offline", 50.0, 0.0) in rects(charts.Timeline(pieces, (), lambda _: "").band(0, 10))


def test_a_share_bar_is_the_whole_width() -> None:
    drawn = rects(charts.share_bar(Tally(up_ms=5, down_ms=1, paused_ms=1, asleep_ms=1, unknown_ms=2)))
    assert [(kind, width) for kind, _, width in drawn] == [
        ("s-online", 50),
        ("s-offline", 10),
        ("s-paused", 10),
        ("s-asleep", 10),
        ("s-unknown", 20),
    ]
    assert charts.share_bar(Tally()) == ""


causes = st.sampled_from([*Cause, "solar_flare"]).map(str)


@given(
    st.dictionaries(causes, st.lists(st.integers(0, 50), min_size=27, max_size=27).map(tuple), max_size=33),
    st.dictionaries(causes, st.lists(st.integers(0, 50), min_size=24, max_size=24).map(tuple), max_size=9),
)
def test_every_count_of_a_histogram_is_in_its_table_once(
    lived: dict[str, tuple[int, ...]], by_hour: dict[str, tuple[int, ...]]
) -> None:
    looks = charts.series(lived, by_hour)
    assert len({each.look for each in looks}) == len(looks) <= 15
    assert sorted(cause for each in looks for cause in each.causes) == sorted(
        cause for cause in {**lived, **by_hour} if any(lived.get(cause, ())) or any(by_hour.get(cause, ()))
    )
    for chart, counts, bins in (
        (charts.lifetimes(Bins(LIFETIME_EDGES_MS, lived), looks), lived, 27),
        (charts.hours(HourOfDay(by_hour), looks), by_hour, 24),
    ):
        columns = [sum(row[index] for row in counts.values()) for index in range(bins)]
        assert [sum(row) for _, row in chart.rows] == [each for each in columns if each]
        heights = re.findall(r'<rect class="(?:drop|planned|own)-\d"[^>]*height="([\d.]+)%"', chart.plot)
        top = int(re.findall(r">([\d,]+)</text>", chart.y_labels)[-1].replace(",", ""))
        assert top >= max(columns)
        assert sum(map(float, heights)) == pytest.approx(100 * sum(columns) / top, abs=0.1)


def test_links_of_six_to_eight_hours_are_told_from_those_beside_them() -> None:
    counts = [0] * len(LIFETIME_EDGES_MS)
    for hours, count in ((5.5, 1), (6, 2), (7.5, 4), (8, 8)):
        counts[LIFETIME_EDGES_MS.index(int(hours * HOUR))] = count
    row = tuple(counts)
    assert charts.dropped_in_six_to_eight(Bins(LIFETIME_EDGES_MS, {"reset": row, "goodbye": row})) == (6, 15)
    chart = charts.lifetimes(Bins(LIFETIME_EDGES_MS, {"reset": row}), charts.series({"reset": row}, {}))
    assert "6 to 8 h: 6 of 15 drops" in chart.plot


# Moments


@given(
    st.sampled_from([TOKYO, BERLIN, ZoneInfo("America/Sao_Paulo"), ZoneInfo("Australia/Lord_Howe")]),
    st.dates(date(2016, 1, 1), date(2017, 12, 1)),
    st.integers(0, 23),
    st.integers(0, 20),
)
@example(BERLIN, date(2016, 3, 25), 0, 4)
@example(BERLIN, date(2016, 10, 28), 0, 4)
@example(ZoneInfo("America/Sao_Paulo"), date(2016, 10, 14), 0, 4)
def test_midnights_are_where_the_date_changes(zone: ZoneInfo, first: date, hour: int, days: int) -> None:
    since = int(datetime(first.year, first.month, first.day, hour, tzinfo=zone).timestamp() * 1000)
    until = since + days * DAY
    found = Moments(zone).midnights(since, until)
    for at in found:
        before = datetime.fromtimestamp(at / 1000 - 1, zone).date()
        assert datetime.fromtimestamp(at / 1000, zone).date() == before + timedelta(days=1)
    for one, other in pairwise(found):
        assert 23 * HOUR <= other - one <= 25 * HOUR
    assert days - 1 <= len(found) <= days + 1


def test_ticks_of_a_day_of_25_hours_show_its_own_hours() -> None:
    begin = int(datetime(2016, 10, 30, tzinfo=BERLIN).timestamp() * 1000)
    drawn = charts.ticks(Moments(BERLIN), begin, begin + 25 * HOUR, ["day"])
    labels = re.findall(r">(\d\d:\d\d)</text>", drawn.lines)
    assert labels.count("02:00") == 2
    assert len(labels) == 24
    ordinary = charts.ticks(Moments(TOKYO), begin, begin + 7 * DAY, ["day"])
    assert 'href="#ticks-day"' in ordinary.lines
    assert sum(float(share) for share, _ in ordinary.dates) == pytest.approx(100, abs=0.01)


@pytest.mark.parametrize("at", [10**17, -(10**17)])
def test_what_no_calendar_holds_is_no_error(at: int) -> None:
    moments = Moments(TOKYO)
    assert [moments.whole(at), moments.time(at), moments.day(at), moments.month(at)] == ["?"] * 4
    assert moments.iso(at) == ""
    assert moments.midnights(at, at + 1) == []


# The file


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    profile = Profile.throwaway(tmp_path / "state")
    profile.state_dir.mkdir()
    history.write(profile.db, days=3)
    return profile


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_the_page_is_the_users_alone(profile: Profile) -> None:
    profile.report.write_text("old")
    os.chmod(profile.report, 0o644)
    path = saving.write(profile, NOW)
    assert path == profile.report
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert not list(path.parent.glob(".report.html.*"))


def test_what_cannot_be_put_in_place_leaves_nothing_behind(profile: Profile) -> None:
    profile.report.mkdir()
    with pytest.raises(OSError):
        saving.write(profile, NOW)
    assert not list(profile.state_dir.glob(".report.html.*"))


def test_a_profile_without_a_log_has_a_page_all_the_same(tmp_path: Path) -> None:
    profile = Profile.throwaway(tmp_path / "none")
    assert "The log is empty" in saving.write(profile).read_text(encoding="utf-8")
    assert not profile.db.exists()


# The command


@pytest.fixture
def traymon(profile: Profile, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Profile, "default", classmethod(lambda cls, config=None: profile))
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["report", *arguments])

    return call


def test_the_command_says_where_the_page_is(traymon, profile: Profile) -> None:
    done = traymon("--all")
    assert (done.exit_code, done.stdout.strip()) == (0, str(profile.report.absolute()))
    assert 'data-bot="helper"' in profile.report.read_text(encoding="utf-8")


def test_one_bot_alone(traymon, profile: Profile) -> None:
    assert traymon("--all", "--bot", "deploybot").exit_code == 0
    text = profile.report.read_text(encoding="utf-8")
    assert 'data-bot="deploybot"' in text
    assert "helper" not in text
    done = traymon("--bot", "nobody")
    assert done.exit_code == 1
    assert "deploybot, helper" in done.stderr


def test_another_file_or_standard_output(traymon, profile: Profile, tmp_path: Path) -> None:
    target = tmp_path / "mine.html"
    assert traymon("--output", str(target)).stdout.strip() == str(target)
    shown = traymon("--output", "-").stdout
    assert shown.rstrip().endswith("</html>")
    assert len(shown) == pytest.approx(len(target.read_text(encoding="utf-8")), rel=0.05)
    assert not profile.report.exists()
    assert traymon("--output", "-", "--open").exit_code == 2
    done = traymon("--output", str(tmp_path / "no" / "where.html"))
    assert done.exit_code == 1
    assert "cannot be used" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a desktop")
def test_where_there_is_no_desktop_the_page_is_made_all_the_same(traymon, profile: Profile) -> None:
    done = traymon("--open")
    assert done.exit_code == 1
    assert "no desktop" in done.stderr
    assert profile.report.exists()


def test_the_whole_log(traymon, profile: Profile, tmp_path: Path) -> None:
    """The log of 2016 is far older than 90 days."""
    traymon()
    newest = profile.report.read_text(encoding="utf-8")
    assert "traymon report --all" in newest
    assert "Nothing is logged of this time." in newest
    traymon("--all")
    text = profile.report.read_text(encoding="utf-8")
    assert "traymon report --all" not in text
    assert "2016-12-20" in text


def test_a_damaged_log_is_one_sentence(traymon, profile: Profile) -> None:
    profile.db.write_bytes(b"no database" * 1000)
    done = traymon()
    assert done.exit_code == 1
    assert "cannot be read" in done.stderr
