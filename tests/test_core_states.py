"""The table of states: complete, connected, and true to the rules that its module states."""

import pytest

from traymon.keeper.core.states import DOWN, TRANSITIONS, UP, State, Trigger


def test_every_state_has_a_row():
    assert set(TRANSITIONS) == set(State)


def test_every_trigger_is_used():
    assert {trigger for row in TRANSITIONS.values() for trigger in row} == set(Trigger)


def test_no_row_leads_to_itself():
    assert not [(state, t) for state, row in TRANSITIONS.items() for t, new in row.items() if new is state]


def reachable(start: State) -> set[State]:
    seen, ahead = {start}, [start]
    while ahead:
        for new in TRANSITIONS[ahead.pop()].values():
            if new not in seen:
                seen.add(new)
                ahead.append(new)
    return seen


@pytest.mark.parametrize("state", State)
def test_every_state_leads_to_every_other(state):
    assert reachable(state) == set(State)


def test_up_down_and_neither_share_the_states_out():
    neither = {State.PAUSED, State.ASLEEP, State.UNKNOWN}
    assert UP | DOWN | neither == set(State)
    assert not UP & DOWN
    assert not (UP | DOWN) & neither


@pytest.mark.parametrize("state", [x for x in State if x is not State.UNKNOWN])
def test_quit_leads_out_of_everywhere(state):
    assert TRANSITIONS[state][Trigger.QUIT] is State.UNKNOWN


@pytest.mark.parametrize("state", sorted(UP | DOWN | {State.ASLEEP}))
def test_pause_leads_in_from_everywhere(state):
    assert TRANSITIONS[state][Trigger.PAUSE] is State.PAUSED


def test_only_the_user_ends_a_pause():
    assert set(TRANSITIONS[State.PAUSED]) == {Trigger.RESUME, Trigger.QUIT}


def test_a_session_begins_with_hello_alone():
    into_up = {
        (state, trigger)
        for state, row in TRANSITIONS.items()
        for trigger, new in row.items()
        if new in UP and state not in UP
    }
    assert {trigger for _, trigger in into_up} == {Trigger.HELLO}
    assert {state for state, _ in into_up} == DOWN


def test_connecting_is_only_the_first_attempt():
    into = {t for row in TRANSITIONS.values() for t, new in row.items() if new is State.CONNECTING}
    assert into == {Trigger.START, Trigger.RESUME, Trigger.WAKE, Trigger.TOKEN}


def test_names_are_data_and_never_change():
    assert {x.value for x in State} == {
        "connecting", "online", "away", "offline", "refused", "paused", "asleep", "unknown",
    }  # fmt: skip
