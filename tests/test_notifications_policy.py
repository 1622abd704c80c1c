"""When notifications pop up, change and go: by stories in virtual time, and by whatever hypothesis thinks up."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.states import DOWN, State
from traymon.notifications.facts import (
    Acted,
    Action,
    BotNow,
    Close,
    Closed,
    Effect,
    Enabled,
    Event,
    Kind,
    Quit,
    Seen,
    Show,
    Tick,
    Urgency,
)
from traymon.notifications.policy import Numbers, Policy

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
WALL = 1_482_186_550_000  # 2016-12-19 22:29:10 UTC

NO_ROUTE = Failure(Cause.NO_ROUTE, Phase.TCP)
DNS = Failure(Cause.DNS, Phase.DNS, evidence={"host": "slack.com"})
RESET = Failure(Cause.RESET, Phase.LIVE)
HUNG_UP = Failure(Cause.ABRUPT_CLOSE, Phase.LIVE, close_code=1006)
REVOKED = Failure(Cause.REFUSED_TOKEN, Phase.API, "token_revoked")
LOCKED = Failure(Cause.NO_TOKEN, Phase.TOKEN, "The keyring is locked: unlock it.")


class Story:
    """A policy, its bots, and a clock that only moves when told to; deadlines on the way are kept."""

    def __init__(self, *names: str, numbers: Numbers | None = None) -> None:
        self.policy = Policy(numbers)
        self.now = 5 * HOUR
        self.bots: dict[str, BotNow] = {}
        self.shown: list[tuple[int, Show]] = []
        self.effects: list[tuple[int, Effect]] = []
        self.closed_by_person: set[str] = set()
        for name in names:
            self.bots[name] = self._bot(name, State.ONLINE, None)
        if names:
            self.see()

    def _bot(self, name: str, state: State, failure: Failure | None, *, unattended: bool = False) -> BotNow:
        return BotNow(name, "Acme", state, self.wall, failure, unattended=unattended)

    @property
    def wall(self) -> int:
        return WALL + self.now

    def hear(self, event: Event) -> list[Effect]:
        if isinstance(event, Closed) and event.by_person:
            self.closed_by_person.add(event.key)
        effects = self.policy.receive(event, self.now)
        for effect in effects:
            self.effects.append((self.now, effect))
            if isinstance(effect, Show):
                self.shown.append((self.now, effect))
        deadline = self.policy.deadline
        assert deadline is None or deadline > self.now, "a deadline that has passed makes the thread spin"
        return effects

    def see(self) -> list[Effect]:
        return self.hear(Seen(tuple(self.bots.values()), self.wall))

    def become(
        self, state: State, failure: Failure | None = None, *names: str, unattended: bool = False
    ) -> list[Effect]:
        """The named bots (all) go to a state now."""
        for name in names or list(self.bots):
            self.bots[name] = self._bot(name, state, failure, unattended=unattended)
        return self.see()

    def wait(self, ms: int) -> list[Effect]:
        """Let the time pass, and give what was decided meanwhile."""
        until, effects = self.now + ms, []
        while (due := self.policy.deadline) is not None and due <= until:
            self.now = due
            effects += self.hear(Tick())
        self.now = until
        return effects

    def sleep(self, ms: int) -> None:
        """The time passes, and nobody is told: not even the thread that waits for the deadline."""
        self.now += ms

    @property
    def popped(self) -> list[Show]:
        return [show for _, show in self.shown if show.pops]

    def last(self) -> Show:
        return self.shown[-1][1]


def only(effects: list[Effect]) -> Show:
    (effect,) = effects
    assert isinstance(effect, Show)
    return effect


# An outage


def test_short_outage_never_pops_up() -> None:
    story = Story("deploybot")
    for _ in range(100):
        story.become(State.OFFLINE, HUNG_UP)
        assert story.wait(10 * SECOND - 1) == []
        assert story.become(State.ONLINE) == []
        story.wait(20 * SECOND)
    assert story.effects == []


def test_outage_pops_up_after_ten_seconds_and_turns_into_its_return() -> None:
    story = Story("deploybot")
    story.become(State.OFFLINE, HUNG_UP)
    show = only(story.wait(10 * SECOND))
    assert (show.kind, show.replaces, show.pops, show.urgency) == (Kind.OUTAGE, False, True, Urgency.NORMAL)
    assert show.title == "deploybot (Acme) is offline"
    assert "Slack hung up without a close frame." in show.body
    assert show.actions == (Action.RECONNECT, Action.LOG)
    assert show.bots == ("deploybot",)
    story.wait(174 * SECOND)
    back = only(story.become(State.ONLINE))
    assert (back.key, back.kind, back.replaces) == (show.key, Kind.BACK, True)
    assert back.title == "deploybot (Acme) is back after 3m 04s"
    assert "hung up without a close frame" in back.body
    assert back.actions == (Action.LOG,)


def test_length_is_that_of_the_log() -> None:
    """Silence is noticed late, and the log dates the stop back: the notification says the same length."""
    story = Story("deploybot")
    bot = BotNow("deploybot", None, State.OFFLINE, story.wall - 14 * SECOND, DNS)
    story.hear(Seen((bot,), story.wall))
    story.wait(46 * SECOND)
    back = BotNow("deploybot", None, State.ONLINE, story.wall)
    assert only(story.hear(Seen((back,), story.wall))).title == "deploybot is back after 1m 00s"


def test_set_clock_bends_no_length() -> None:
    story = Story("deploybot")
    story.become(State.OFFLINE, DNS)
    story.wait(60 * SECOND)
    day = 24 * HOUR
    back = BotNow("deploybot", None, State.ONLINE, story.wall + day)
    assert only(story.hear(Seen((back,), story.wall + day))).title == (
        "deploybot (Acme) is back after 1m 00s"
    )


def test_a_start_gets_longer() -> None:
    story = Story()
    story.bots["deploybot"] = story._bot("deploybot", State.CONNECTING, None)
    story.see()
    story.become(State.OFFLINE, NO_ROUTE)
    assert story.wait(30 * SECOND - 1) == []
    assert only(story.wait(1)).kind is Kind.OUTAGE


def test_new_cause_changes_it_in_place() -> None:
    story = Story("deploybot")
    story.become(State.OFFLINE, HUNG_UP)
    first = only(story.wait(10 * SECOND))
    second = only(story.become(State.OFFLINE, DNS))
    assert (second.key, second.replaces, second.pops) == (first.key, True, False)
    assert "slack.com" in second.body
    story.wait(MINUTE)
    third = only(story.become(State.OFFLINE, NO_ROUTE))
    assert (third.key, third.replaces, third.pops) == (first.key, True, True)
    story.wait(MINUTE)
    assert story.become(State.OFFLINE, DNS) == [], "a cause that was told before"
    story.become(State.ONLINE)
    assert len(story.popped) == 3


def test_dismissed_is_not_shown_again() -> None:
    story = Story("deploybot")
    story.become(State.OFFLINE, HUNG_UP)
    show = only(story.wait(10 * SECOND))
    story.hear(Closed(show.key, by_person=True))
    assert story.become(State.OFFLINE, DNS) == []
    assert story.wait(HOUR) == []
    assert story.become(State.ONLINE) == []
    story.become(State.OFFLINE, HUNG_UP)
    assert only(story.wait(10 * SECOND)).key != show.key


def test_dismissed_of_one_bot_does_not_hide_another() -> None:
    story = Story("deploybot", "buildbot")
    story.become(State.OFFLINE, HUNG_UP, "deploybot")
    show = only(story.wait(10 * SECOND))
    story.hear(Closed(show.key, by_person=True))
    story.become(State.OFFLINE, HUNG_UP, "buildbot")
    again = only(story.wait(10 * SECOND))
    assert (again.pops, again.replaces, set(again.bots)) == (True, False, {"deploybot", "buildbot"})


def test_click_is_no_dismissal() -> None:
    """Servers close a notification on a click as they do when it is dismissed, before or after they tell of it."""
    for events in ([Acted, Closed], [Closed, Acted]):
        story = Story("deploybot")
        story.become(State.OFFLINE, HUNG_UP)
        show = only(story.wait(10 * SECOND))
        for event in events:
            story.hear(Acted(show.key) if event is Acted else Closed(show.key, by_person=True))
        assert only(story.become(State.ONLINE)).kind is Kind.BACK


def test_expired_comes_back_as_its_return() -> None:
    story = Story("deploybot")
    story.become(State.OFFLINE, HUNG_UP)
    show = only(story.wait(10 * SECOND))
    story.hear(Closed(show.key, by_person=False))
    assert story.become(State.OFFLINE, HUNG_UP) == []
    assert only(story.become(State.ONLINE)).kind is Kind.BACK


def test_closing_what_is_not_there_is_no_matter() -> None:
    story = Story("deploybot")
    assert story.hear(Closed("outage:77", by_person=True)) == []
    assert story.hear(Acted("outage:77")) == []


def test_pause_sleep_and_quit_end_it_without_a_word() -> None:
    for state in (State.PAUSED, State.ASLEEP, State.UNKNOWN):
        story = Story("deploybot")
        story.become(State.OFFLINE, HUNG_UP)
        show = only(story.wait(10 * SECOND))
        assert story.become(state) == [Close(show.key)]
        assert story.wait(HOUR) == []


def test_bot_that_is_removed_ends_it_without_a_word() -> None:
    story = Story("deploybot")
    story.become(State.OFFLINE, HUNG_UP)
    show = only(story.wait(10 * SECOND))
    story.bots.clear()
    assert story.see() == [Close(show.key)]


def test_quit_takes_it_away_for_good() -> None:
    story = Story("deploybot", "buildbot")
    story.become(State.OFFLINE, HUNG_UP, "deploybot")
    story.become(State.REFUSED, REVOKED, "buildbot")
    story.wait(10 * SECOND)
    keys = {show.key for show in story.popped}
    assert len(keys) == 2
    assert set(story.hear(Quit())) == {Close(key) for key in keys}
    story.become(State.OFFLINE, HUNG_UP)
    assert story.wait(HOUR) == []
    assert story.policy.deadline is None


def test_sleep_that_nobody_announced() -> None:
    """The deadline has long passed when the machine wakes, and the first to run is the thread that waits for it."""
    story = Story("deploybot")
    story.become(State.OFFLINE, NO_ROUTE)
    story.sleep(8 * HOUR)
    assert story.hear(Tick()) == []
    assert story.wait(29 * SECOND) == []
    assert story.become(State.ONLINE) == []


def test_off_and_on() -> None:
    story = Story("deploybot")
    story.become(State.OFFLINE, HUNG_UP)
    show = only(story.wait(10 * SECOND))
    assert story.hear(Enabled(False)) == [Close(show.key)]
    assert story.policy.deadline is None
    assert story.wait(HOUR) == []
    assert only(story.hear(Enabled(True))).kind is Kind.OUTAGE
    assert story.hear(Enabled(True)) == []


def test_off_keeps_quiet_from_the_start() -> None:
    story = Story()
    story.policy = Policy(enabled=False)
    story.bots["deploybot"] = story._bot("deploybot", State.REFUSED, REVOKED)
    assert story.see() == []
    assert story.wait(HOUR) == []


# Several bots


def test_several_bots_share_one() -> None:
    story = Story(*"abcdef")
    for name in "abcdef":
        story.become(State.OFFLINE, NO_ROUTE, name)
        story.wait(500)
    show = only(story.wait(15 * SECOND))
    assert show.title == "6 bots are offline"
    assert set(show.bots) == set("abcdef")
    assert "This machine has no network route" in show.body
    assert "and 2 more" in show.body
    for name in "abcde":
        story.wait(700)
        assert story.become(State.ONLINE, None, name) == []
    back = only(story.become(State.ONLINE))
    assert back.title.startswith("6 bots are back after ")
    assert len(story.popped) == 2


def test_one_that_comes_late_joins_in_place() -> None:
    story = Story("a", "b", "c")
    story.become(State.OFFLINE, NO_ROUTE, "a")
    first = only(story.wait(10 * SECOND))
    story.wait(MINUTE)
    story.become(State.OFFLINE, DNS, "b")
    second = only(story.wait(10 * SECOND))
    assert (second.key, second.replaces, second.pops) == (first.key, True, True)
    assert second.bots == ("a", "b")
    assert "a (Acme): this machine has no network" in second.body


def test_waiting_for_others_has_an_end() -> None:
    story = Story("a", *(f"b{number}" for number in range(40)))
    story.become(State.OFFLINE, NO_ROUTE, "a")
    for number in range(40):
        story.become(State.OFFLINE, NO_ROUTE, f"b{number}")
        story.wait(SECOND)
    assert story.shown[0][0] <= 5 * HOUR + 15 * SECOND


# The limit


def flap(story: Story, times: int, *, down: int = 45 * SECOND, up: int = 45 * SECOND) -> None:
    for _ in range(times):
        story.become(State.OFFLINE, HUNG_UP)
        story.wait(down)
        story.become(State.ONLINE)
        story.wait(up)


def test_forty_flaps_in_an_hour() -> None:
    story = Story("deploybot")
    flap(story, 40)
    assert [show.kind for _, show in story.shown] == [Kind.OUTAGE, Kind.BACK] * 2


def test_first_one_after_says_how_many_there_were() -> None:
    story = Story("deploybot")
    flap(story, 39)
    assert len(story.shown) == 4
    story.become(State.OFFLINE, HUNG_UP)
    while len(story.shown) == 4:
        story.wait(SECOND)
    assert "37 more outages were not shown" in story.shown[-1][1].body
    assert "37 more outages" in only(story.become(State.OFFLINE, DNS)).body, "changes in place still say it"
    story.become(State.ONLINE)
    story.wait(2 * HOUR)
    story.become(State.OFFLINE, HUNG_UP)
    assert "not shown" not in only(story.wait(MINUTE)).body


def test_short_ones_count_as_well_while_it_is_quiet() -> None:
    story = Story("deploybot")
    flap(story, 3)
    flap(story, 10, down=3 * SECOND)
    story.wait(HOUR)
    story.become(State.OFFLINE, HUNG_UP)
    assert "11 more outages were not shown" in only(story.wait(MINUTE)).body


def test_outage_that_is_kept_quiet_pops_up_as_soon_as_it_may() -> None:
    story = Story("deploybot")
    flap(story, 2)
    begun = story.now
    story.become(State.OFFLINE, HUNG_UP)
    story.wait(2 * HOUR)
    at, show = story.shown[-1]
    # Two pop-ups must be free: itself and its return.
    assert at == story.shown[1][0] + HOUR
    assert at > begun
    assert "not shown" not in show.body
    assert len(story.shown) == 5


def test_return_is_kept_a_place() -> None:
    story = Story("deploybot")
    story.become(State.OFFLINE, HUNG_UP)
    for failure in (DNS, NO_ROUTE, RESET):
        story.wait(MINUTE)
        story.become(State.OFFLINE, failure)
    assert [show.kind for show in story.popped] == [Kind.OUTAGE] * 3
    assert only(story.become(State.ONLINE)).kind is Kind.BACK


def test_dismissal_gives_the_place_back() -> None:
    story = Story("a", "b")
    flap(story, 1)
    story.become(State.OFFLINE, HUNG_UP, "a")
    story.hear(Closed(only(story.wait(MINUTE)).key, by_person=True))
    story.become(State.ONLINE, None, "b", unattended=True)
    assert only(story.wait(MINUTE)).kind is Kind.PROGRAM


def test_one_that_joins_a_dismissed_one_needs_two_places() -> None:
    story = Story("a", "b")
    flap(story, 1)
    story.become(State.OFFLINE, HUNG_UP, "a")
    story.hear(Closed(only(story.wait(MINUTE)).key, by_person=True))
    story.become(State.OFFLINE, HUNG_UP, "b")
    assert story.wait(10 * MINUTE) == []
    assert only(story.wait(HOUR)).bots == ("a", "b")


def test_one_that_may_not_join_is_counted_and_holds_up_no_return() -> None:
    story = Story("a", "b")
    flap(story, 1)
    story.become(State.OFFLINE, HUNG_UP, "a")
    story.wait(MINUTE)
    story.become(State.OFFLINE, HUNG_UP, "b")
    assert story.wait(MINUTE) == []
    back = only(story.become(State.ONLINE, None, "a"))
    assert (back.kind, back.bots) == (Kind.BACK, ("a",))
    story.become(State.ONLINE)
    story.wait(2 * HOUR)
    story.become(State.OFFLINE, HUNG_UP, "a")
    assert "1 more outage was not shown" in only(story.wait(MINUTE)).body


def test_one_that_may_not_join_and_is_back_first_is_counted() -> None:
    story = Story("a", "b")
    flap(story, 1)
    story.become(State.OFFLINE, HUNG_UP, "a")
    story.wait(MINUTE)
    story.become(State.OFFLINE, HUNG_UP, "b")
    story.wait(MINUTE)
    story.become(State.ONLINE, None, "b")
    story.become(State.ONLINE)
    story.wait(2 * HOUR)
    story.become(State.OFFLINE, HUNG_UP, "a")
    assert "1 more outage was not shown" in only(story.wait(MINUTE)).body


def test_off_forgets_what_was_not_shown() -> None:
    story = Story("deploybot")
    flap(story, 10)
    story.hear(Enabled(False))
    story.hear(Enabled(True))
    story.wait(2 * HOUR)
    story.become(State.OFFLINE, HUNG_UP)
    assert "not shown" not in only(story.wait(MINUTE)).body


# What needs a person


def test_refusal_pops_up_at_once_and_whatever_came_before() -> None:
    story = Story("deploybot", "buildbot")
    flap(story, 5)
    show = only(story.become(State.REFUSED, REVOKED, "deploybot"))
    assert (show.kind, show.urgency, show.pops) == (Kind.PERSON, Urgency.CRITICAL, True)
    assert show.title == "deploybot (Acme) needs you"
    assert "revoked" in show.body
    both = only(story.become(State.REFUSED, REVOKED, "buildbot"))
    assert (both.key, both.replaces, both.pops, both.title) == (show.key, True, True, "2 bots need you")
    assert story.become(State.REFUSED, REVOKED) == []
    fewer = only(story.become(State.PAUSED, None, "buildbot"))
    assert (fewer.key, fewer.pops, fewer.bots) == (show.key, False, ("deploybot",))


def test_refusal_after_an_outage_takes_its_place() -> None:
    story = Story("deploybot")
    story.become(State.OFFLINE, HUNG_UP)
    outage = only(story.wait(10 * SECOND))
    refused, closed = story.become(State.REFUSED, REVOKED)
    assert isinstance(refused, Show)
    assert refused.kind is Kind.PERSON
    assert closed == Close(outage.key)
    back = only(story.become(State.ONLINE))
    assert (back.key, back.kind) == (refused.key, Kind.BACK)


def test_return_of_a_refused_one_keeps_to_the_limit() -> None:
    story = Story("deploybot", "buildbot")
    flap(story, 5)
    show = only(story.become(State.REFUSED, REVOKED, "deploybot"))
    assert story.become(State.ONLINE) == [Close(show.key)]


def test_new_token_gets_its_time() -> None:
    story = Story("deploybot")
    show = only(story.become(State.REFUSED, REVOKED))
    story.wait(HOUR)
    assert story.become(State.CONNECTING) == [Close(show.key)]
    assert story.wait(29 * SECOND) == []
    assert only(story.become(State.REFUSED, REVOKED)).pops


def test_locked_keyring_gets_its_time_and_breaks_no_silence() -> None:
    story = Story()
    story.bots["deploybot"] = story._bot("deploybot", State.CONNECTING, None)
    story.see()
    story.become(State.OFFLINE, LOCKED)
    show = only(story.wait(HOUR))
    assert (show.kind, show.urgency) == (Kind.PERSON, Urgency.NORMAL)
    assert show.body == "The keyring is locked: unlock it."
    assert story.shown[0][0] == 5 * HOUR + 30 * SECOND


# A missing program


def test_program_is_missed_after_a_minute_once() -> None:
    story = Story("deploybot")
    story.become(State.ONLINE, unattended=True)
    assert story.wait(MINUTE - 1) == []
    show = only(story.wait(1))
    assert (show.kind, show.urgency, show.actions) == (Kind.PROGRAM, Urgency.NORMAL, (Action.LOG,))
    assert show.title == "No program is attached to deploybot (Acme)"
    assert story.wait(3 * HOUR) == []
    story.become(State.OFFLINE, HUNG_UP, unattended=True)
    story.wait(5 * SECOND)
    story.become(State.ONLINE, unattended=True)
    assert len(story.shown) == 1, "a drop of the link is no news of the program"
    assert story.become(State.ONLINE) == [Close(show.key)]


def test_program_that_restarts_is_not_missed() -> None:
    story = Story("deploybot")
    for _ in range(10):
        story.become(State.ONLINE, unattended=True)
        story.wait(MINUTE - 1)
        story.become(State.ONLINE)
    assert story.effects == []


def test_program_is_not_missed_first_while_the_link_is_down() -> None:
    story = Story("deploybot")
    story.become(State.ONLINE, unattended=True)
    story.wait(55 * SECOND)
    story.become(State.OFFLINE, HUNG_UP, unattended=True)
    assert only(story.wait(MINUTE)).kind is Kind.OUTAGE
    outage_over, missed = story.become(State.ONLINE, unattended=True)
    assert isinstance(outage_over, Show)
    assert isinstance(missed, Show)
    assert (outage_over.kind, missed.kind) == (Kind.BACK, Kind.PROGRAM)


def test_program_is_not_missed_for_a_sleep() -> None:
    story = Story("deploybot")
    story.become(State.ONLINE, unattended=True)
    story.sleep(8 * HOUR)
    assert story.hear(Tick()) == []
    assert story.wait(MINUTE - 1) == []
    assert only(story.wait(1)).kind is Kind.PROGRAM


def test_programs_keep_to_the_limit() -> None:
    story = Story("a", "b")
    for _ in range(10):
        story.become(State.ONLINE, unattended=True)
        story.wait(2 * MINUTE)
        story.become(State.ONLINE)
        story.wait(2 * MINUTE)
    assert len(story.popped) == 4
    assert story.popped[0].title == "No program is attached to 2 bots"


# Whatever happens

NAMES = ("a", "b", "c")
FAILURES = {
    State.OFFLINE: (HUNG_UP, DNS, NO_ROUTE, LOCKED),
    State.REFUSED: (REVOKED,),
    State.CONNECTING: (None, DNS),
}
STEPS = st.one_of(
    st.tuples(
        st.just("become"),
        st.sampled_from(NAMES),
        st.sampled_from([*State, State.OFFLINE, State.OFFLINE, State.ONLINE, State.ONLINE]),
        st.integers(0, 3),
        st.booleans(),
    ),
    st.tuples(st.just("wait"), st.sampled_from([1, 700, 5_000, 9_999, 10_000, 31_000, 61_000, 600_000])),
    st.tuples(st.just("sleep"), st.sampled_from([4_000, 20_000, HOUR])),
    st.tuples(st.just("close"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("act"), st.integers(0, 3)),
    st.tuples(st.just("enable"), st.booleans()),
    st.tuples(st.just("remove"), st.sampled_from(NAMES)),
)


def play(story: Story, steps: list[tuple[object, ...]]) -> Iterator[None]:
    """Do one step after the other."""
    for step in steps:
        match step:
            case "become", str(name), State() as state, int(which), bool(unattended):
                failures = FAILURES.get(state, (None,))
                old = story.bots.get(name)
                if old is None or old.state is not state:
                    story.bots[name] = story._bot(name, state, None)
                new = story.bots[name]
                failure = failures[which % len(failures)]
                story.bots[name] = BotNow(
                    name, None, state, new.since_wall_ms, failure, unattended=unattended
                )
                story.see()
            case "wait", int(ms):
                story.wait(ms)
            case "sleep", int(ms):
                story.sleep(ms)
                story.hear(Tick())
            case "close", int(back), bool(by_person):
                if back < len(story.shown):
                    story.hear(Closed(story.shown[-1 - back][1].key, by_person))
            case "act", int(back):
                if back < len(story.shown):
                    story.hear(Acted(story.shown[-1 - back][1].key))
            case "enable", bool(on):
                story.hear(Enabled(on))
            case "remove", str(name):
                story.bots.pop(name, None)
                story.see()
        yield


def counted(story: Story) -> list[int]:
    return [at for at, show in story.shown if show.pops and show.kind is not Kind.PERSON]


@given(st.lists(STEPS, max_size=120))
def test_never_more_than_four_an_hour(steps: list[tuple[object, ...]]) -> None:
    story = Story(*NAMES)
    for _ in play(story, steps):
        pass
    times = counted(story)
    for index, at in enumerate(times[4:]):
        assert at - times[index] >= HOUR
    # Nor do changes in place go on and on: they come only just after a pop-up.
    for at, show in story.shown:
        if not show.pops and show.kind is Kind.OUTAGE:
            assert any(popped <= at < popped + 5 * SECOND for popped in times)


@given(st.lists(STEPS, max_size=120))
def test_everything_shown_is_turned_or_closed(steps: list[tuple[object, ...]]) -> None:
    story = Story(*NAMES)
    for _ in play(story, steps):
        pass
    story.hear(Quit())
    last: dict[str, Effect] = {}
    for _, effect in story.effects:
        before = last.get(effect.key)
        assert not isinstance(before, Close), "nothing follows under a key that was closed"
        if isinstance(effect, Show):
            assert effect.replaces or before is None or effect.key in story.closed_by_person
            assert not effect.replaces or before is not None
        else:
            assert before is not None
        last[effect.key] = effect
    for key, effect in last.items():
        over = isinstance(effect, Close) or effect.kind is Kind.BACK
        assert over or key in story.closed_by_person


@given(st.lists(STEPS, max_size=120))
def test_short_outages_never_pop_up(steps: list[tuple[object, ...]]) -> None:
    story = Story(*NAMES)
    down_since: dict[str, int] = {}
    seen = 0
    for _ in play(story, steps):
        for name in NAMES:
            bot = story.bots.get(name)
            if bot is None or bot.state not in DOWN:
                down_since.pop(name, None)
            else:
                # All of a step's shows come after its changes.
                down_since.setdefault(name, story.now)
        for at, show in story.shown[seen:]:
            if show.kind is Kind.OUTAGE:
                assert all(at - down_since[name] >= 10 * SECOND for name in show.bots)
        seen = len(story.shown)


@given(st.lists(STEPS, max_size=60))
def test_what_lasts_is_told(steps: list[tuple[object, ...]]) -> None:
    """Whatever came before: an outage that goes on for over an hour has popped up, if notifications are on."""
    story = Story(*NAMES)
    for _ in play(story, steps):
        pass
    story.hear(Enabled(True))
    story.become(State.ONLINE)
    story.become(State.OFFLINE, HUNG_UP, "a")
    before = len(story.popped)
    story.wait(HOUR + MINUTE)
    assert any("a" in show.bots and show.kind is Kind.OUTAGE for show in story.popped[before:])
