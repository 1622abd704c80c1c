"""The page on RTM over Socket Mode is drawn from the code, and no event is left out of it."""

from pathlib import Path

from tests.relay_translation_examples import EXAMPLES, NO_COUNTERPART
from tests.relay_translation_table import page
from traymon.relay.translation.catalogue import RTM_EVENTS, Source

DOCS = Path(__file__).parent.parent / "docs" / "rtm-over-socket-mode.md"


def test_the_page_is_the_one_that_the_code_draws():
    assert DOCS.read_text(encoding="utf-8") == page(), (
        "run: python -m tests.relay_translation_table > docs/rtm-over-socket-mode.md"
    )


def test_every_event_of_rtm_that_slack_sends_has_an_example():
    shown = {str(each.event["type"]) for each in EXAMPLES} - {"app_mention"}
    assert shown == {name for name, event in RTM_EVENTS.items() if event.source is Source.EVENTS_API}


def test_nothing_is_both_in_rtm_and_not():
    assert not RTM_EVENTS.keys() & set(NO_COUNTERPART)
