"""Text cut to fit, in any script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon.tray.fitting import columns, end_cut, lines_within, middle_cut, units

FAMILY = "👩‍👩‍👧"  # one character as people see it: three, joined
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("ab漢字ｱア🤖é\u0301\u200d\u3099👍🏽"),
    max_size=60,
)


@pytest.mark.parametrize(
    ("text", "wide"),
    [
        ("", 0),
        ("bot", 3),
        ("ボット", 6),
        ("ﾎﾞｯﾄ", 4),
        ("e\u0301", 1),
        ("🤖", 2),
        ("ﾊ\u3099", 1),
        ("a漢", 3),
        ("…", 1),
    ],
)
def test_columns(text: str, wide: int) -> None:
    assert columns(text) == wide


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("deploybot", 9, "deploybot"),
        ("deploybot", 8, "depl…bot"),
        ("deploybot", 3, "d…t"),
        ("deploybot", 1, "…"),
        ("開発チームのボット", 9, "開発…ット"),
        ("開発チームのボット", 8, "開発…ト"),
        ("cafe\u0301 bar", 6, "caf…ar"),
        ("cafe\u0301 barista", 9, "cafe\u0301…ista"),
        (f"{FAMILY}{FAMILY}{FAMILY}", 14, f"{FAMILY}…{FAMILY}"),
        (f"{FAMILY}{FAMILY}{FAMILY}", 12, f"{FAMILY}…"),
    ],
)
def test_the_middle_of_a_long_name_goes(text: str, most: int, cut: str) -> None:
    assert middle_cut(text, most) == cut


@given(TEXTS, st.integers(1, 30))
def test_a_name_cut_fits_and_keeps_both_ends(text: str, most: int) -> None:
    cut = middle_cut(text, most)
    assert columns(cut) <= most
    if cut == text:
        return
    assert columns(text) > most
    assert any(
        text.startswith(cut[:at]) and text.endswith(cut[at + 1 :])
        for at, char in enumerate(cut)
        if char == "…"
    )


@given(TEXTS, st.integers(1, 30))
def test_a_text_cut_at_its_end_fits_and_keeps_its_start(text: str, most: int) -> None:
    for measure in (columns, units):
        cut = end_cut(text, most, measure)
        assert measure(cut) <= most
        if cut != text:
            assert text.startswith(cut[:-1])
            assert cut.endswith("…")


def test_whole_lines_go_before_a_line_is_cut_to_a_stump() -> None:
    lines = "deploybot: offline\nWhy: it hung up\nNext try at 07:29:10"
    assert lines_within(lines, 127) == lines
    assert lines_within(lines, 50) == "deploybot: offline\nWhy: it hung up"
    assert lines_within(lines, 40, least=3) == "deploybot: offline\nWhy: it hung up\nNext…"
    assert lines_within(lines, 10) == "deploybot…"


@given(st.lists(TEXTS.map(lambda text: text.replace("\n", " ")), min_size=1, max_size=5), st.integers(1, 127))
def test_lines_fit_in_units_of_windows(lines: list[str], most: int) -> None:
    shown = lines_within("\n".join(lines), most)
    assert len(shown.encode("utf-16-le")) // 2 <= most
    kept = shown.split("\n")
    assert kept[:-1] == lines[: len(kept) - 1]
    assert kept[-1] == lines[len(kept) - 1] or kept[-1].endswith("…")
