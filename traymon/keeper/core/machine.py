"""The machine that keeps one bot's link up.

Theory of operation
-------------------
There are at most two links at a time. ``live`` carries the session. ``next`` is the one being opened: the next
attempt where nothing lives, else a second link for a reason (:class:`~traymon.keeper.core.links.Reason`). Both are
opened by one path, :meth:`Core._open_next`, when :meth:`Core._next_due` says so.

A link from before a sleep is ``kept``: no session, but one short chance to answer and so to begin the next one.

Time enters with each event and nowhere else. :meth:`Core._timers` lists everything that is to happen by itself,
as (when, what); :attr:`Core.deadline` is its minimum. State changes go through :meth:`Core._go` alone, which looks
them up in :data:`~traymon.keeper.core.states.TRANSITIONS`.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from traymon.keeper.core import events as ev
from traymon.keeper.core.budget import CallBudget
from traymon.keeper.core.causes import Cause, Failure, Phase
from traymon.keeper.core.effects import (
    Anomaly,
    Answer,
    DropLink,
    Effect,
    EnterState,
    Farewell,
    Note,
    NoteKind,
    OpenLink,
    SendPing,
    TellUser,
)
from traymon.keeper.core.links import SPARES, TIMEOUTS, LinkRecord, Reason, Stage
from traymon.keeper.core.policy import Policy, earliest_by_slack
from traymon.keeper.core.states import DOWN, TRANSITIONS, State, Trigger
from traymon.keeper.core.status import Status

_MOST_TIMERS_AT_ONCE = 100  # far above any true cascade: a bug must not hang the keeper


class Core:
    """One bot's keeper without the world.

    ``random`` returns uniform floats in [0, 1). ``spare_on_suspicion`` is true for RTM, where a second connection
    steals nothing, and false for Socket Mode, where it would take payloads.
    """

    def __init__(
        self,
        random: Callable[[], float],
        policy: Policy | None = None,
        *,
        spare_on_suspicion: bool = True,
    ) -> None:
        self._random = random
        self._policy = policy or Policy()
        self._spare_on_suspicion = spare_on_suspicion
        self._budget = CallBudget(self._policy.budget_size, self._policy.budget_refill)

        self._now = 0
        self._begun = False
        self._sleep_told_at = 0
        self._woke_at: int | None = None
        self._effects: list[Effect] = []
        self._state = State.UNKNOWN
        self._since = 0
        self._session_since: int | None = None

        self._live: LinkRecord | None = None
        self._next: LinkRecord | None = None
        self._kept: LinkRecord | None = None
        self._spare_lives: list[tuple[LinkRecord, Failure, int]] = []
        """Second links that lived and died, with the instant of their end, since ``live`` fell silent."""
        self._last_number = 0

        self._wanted: set[Reason] = set()  # why a second link is wanted, before it is opened
        self._wanted_since = 0
        self._retry_at: int | None = None  # the next attempt by our own policy
        self._not_before = 0  # the next attempt by Slack's Retry-After
        self._last_spare = -self._policy.spare_interval
        self._strangers_since: int | None = None  # since when a hello tells of more links than ours
        self._strangers_told = False

        self._down_since: int | None = None  # since the last session, however the states changed
        self._outage_since = 0  # the age that retries go by; begins anew only after a stable session
        self._attempts = 0
        self._span_attempts = 0
        self._failure: Failure | None = None
        self._causes_seen: set[Cause] = set()
        self._refusal: Failure | None = None  # Slack refused, though an older link may still live

    # What others may ask

    @property
    def status(self) -> Status:
        """An immutable snapshot."""
        due = self._next_due()
        return Status(
            state=self._state,
            since=self._since,
            session_since=self._session_since,
            failure=self._failure,
            next_try=due if self._live is None else None,
            attempting=self._next is not None,
            attempts=self._attempts,
            suspect=self._live is not None and self._live.suspect,
            link=self._live.number if self._live else None,
            connections=self._live.connections if self._live else None,
        )

    @property
    def deadline(self) -> int | None:
        """When :class:`~traymon.keeper.core.events.Tick` is due if nothing else happens; ``None``: never."""
        return min((at for at, _ in self._timers()), default=None)

    @property
    def calm(self) -> bool:
        """Whether a frame or a pong, now, would change nothing but when the next ping is due."""
        live = self._live
        steady = live is not None and not (live.suspect or live.frozen)
        return steady and self._next is None and self._kept is None

    def receive(self, event: ev.Event, now: int) -> list[Effect]:
        """Take in ``event``, which arose at ``now``, and return what is to be done, in order."""
        due = self.deadline
        self._now = now = max(now, self._now)
        self._effects = []
        if due is not None and now - due > self._policy.late_tick and not isinstance(event, ev.Woke):
            self._thaw(now - due)
        if not isinstance(event, ev.LinkEvent | ev.Woke):
            self._run_timers()  # what was due before; only a link's own event or a wake may change that
        self._handle(event)
        self._run_timers()
        return self._effects

    # Events

    def _handle(self, event: ev.Event) -> None:
        match event:
            case ev.Tick():
                pass
            case ev.Started(paused):
                self._on_started(paused)
            case _ if self._state is State.UNKNOWN:
                # After the end, links and users may still report; before the beginning nothing can come.
                if not self._begun:
                    self._anomaly(event)
            case ev.ReconnectClicked():
                self._on_reconnect()
            case ev.PauseClicked():
                self._on_pause()
            case ev.ResumeClicked():
                self._on_resume()
            case ev.QuitAsked(cause):
                self._on_quit(cause)
            case ev.TokenChanged():
                self._on_token_changed()
            case ev.RouteAppeared():
                self._on_route()
            case ev.SleepAnnounced():
                self._on_sleep()
            case ev.Woke(slept):
                self._on_woke(slept)
            case ev.PresenceSeen(away, connections):
                self._on_presence(away, connections)
            case ev.PresenceRefused(failure):
                self._note(NoteKind.WARNING, failure=failure, about="presence")
            case _:
                self._on_link_event(event)

    def _on_link_event(self, event: ev.LinkEvent) -> None:
        if event.link > self._last_number or event.link < 1:
            return self._anomaly(event)
        link = self._find(event.link)
        if link is None:
            return None  # a late event of a link that was let go: nothing it says matters
        match event:
            case ev.ApiAnswered():
                self._advance(link, Stage.OPENING, Stage.ANSWERED, event)
            case ev.LinkOpened():
                if self._advance(link, Stage.ANSWERED, Stage.OPENED, event):
                    link.opened_at = self._now
            case ev.HelloReceived():
                self._on_hello(link, event)
            case ev.FrameReceived():
                self._on_proof(link)
            case ev.PongReceived(_, ping):
                self._on_pong(link, ping)
            case ev.GoodbyeReceived(_, cause):
                self._on_goodbye(link, cause)
            case ev.LocalAddressVanished():
                self._on_address_vanished(link)
            case ev.LinkEnded(_, failure):  # pragma: no branch - the last of the kinds
                self._on_link_ended(link, failure)
        return None

    def _advance(self, link: LinkRecord, before: Stage, after: Stage, event: ev.Event) -> bool:
        if link.stage is not before:
            self._anomaly(event)
            return False
        link.stage = after
        return True

    def _on_started(self, paused: bool) -> None:
        if self._begun:
            return self._anomaly(ev.Started(paused))
        self._begun = True
        self._down_since = self._outage_since = self._now
        self._go(Trigger.START_PAUSED if paused else Trigger.START, self._now)
        self._retry_at = self._now
        return None

    def _on_hello(self, link: LinkRecord, event: ev.HelloReceived) -> None:
        if link.stage is Stage.LIVE:
            return self._on_proof(link)  # Slack said hello twice: a sign of life
        if link.stage is not Stage.OPENED:
            return self._anomaly(event)
        link.hello(self._now, self._policy.first_ping_sooner(self._random()))
        if event.connections:
            self._count(link, event.connections)
        if self._live is None:
            self._next = None
            if self._kept is not None:
                self._kept_gone(Farewell.ABORT)
            self._begin_session(link, self._now)
        elif not self._live.suspect:
            self._hand_over()
        return None  # suspect: the old link keeps its chance until its own deadline

    def _count(self, link: LinkRecord, counted: int) -> None:
        """Take in how many links the app has, those of ours included that the new one is to replace."""
        ours = sum(x is not None and x.stage is Stage.LIVE for x in (self._live, self._next, self._kept))
        link.connections = max(1, counted - ours + 1)
        if link.connections == 1:
            self._strangers_since, self._strangers_told = None, False
        elif self._strangers_since is None:
            self._strangers_since = self._now

    def _on_pong(self, link: LinkRecord, ping: int) -> None:
        link.ponged(ping, self._now)
        if link is self._live and link.unanswered_since is None:
            self._wanted.discard(Reason.DEAF)
        # Only the answer to the ping of the wake cannot have lain in a buffer over the sleep.
        if link is self._kept and ping == link.pings and self._state is not State.ASLEEP:
            self._kept = None
            link.proved(self._now)
            self._abandon_next()
            self._begin_session(link, self._now, same_link=True)
            if link.leaving:
                self._want(Reason.PLANNED)
        else:
            self._on_proof(link)

    def _on_proof(self, link: LinkRecord) -> None:
        """A frame came."""
        if link is self._kept or link.stage is not Stage.LIVE:
            return
        link.proved(self._now)
        if link is not self._live:
            return
        self._spare_lives.clear()
        self._wanted.discard(Reason.SUSPECT)
        if self._next is None:
            return
        if self._next.stage is Stage.LIVE and self._next.frozen:
            self._keep_to_the_old(self._next)
        elif self._next.stage is Stage.LIVE:
            self._hand_over()
        elif self._next.reasons == {Reason.SUSPECT}:
            self._abandon_next()

    def _keep_to_the_old(self, new: LinkRecord) -> None:
        """After a freeze the old link spoke first: the new one is now the one that proves nothing."""
        self._note_link_end(new, Cause.FROZEN)
        self._abandon_next()
        if Reason.PLANNED in new.reasons:
            self._want(Reason.PLANNED)

    def _on_goodbye(self, link: LinkRecord, cause: Cause) -> None:
        if link is self._live:
            link.leaving = link.leaving or cause
            self._want(Reason.PLANNED)
            self._on_proof(link)
        elif link is self._next:
            self._next_failed(Failure(cause, Phase.HELLO, reached_slack=True), Farewell.CLOSE)
        else:
            self._kept_gone(Farewell.CLOSE)

    def _on_address_vanished(self, link: LinkRecord) -> None:
        if link is not self._live:
            return
        if not link.unproven:
            self._ping(link)
        self._suspect(link)

    def _on_link_ended(self, link: LinkRecord, failure: Failure) -> None:
        if link is self._kept:
            self._kept_gone()
        elif link is self._next:
            self._next_failed(failure)
        else:
            # A close, a FIN or an RST is itself the other side's last word; a suspect link had fallen silent before,
            # and what a frozen one said may have waited unread.
            spoke = failure.cause in _LAST_WORDS and not (link.suspect or link.frozen)
            self._session_lost(link, failure, self._now if spoke else link.last_frame)

    def _on_presence(self, away: bool, connections: int | None) -> None:
        live = self._live
        if live is None or live.suspect:
            return
        alone = self._next is None and self._now - live.hello_at >= self._policy.count_settles
        if connections and alone:
            live.connections = connections
        if away and self._state is State.ONLINE:
            self._go(Trigger.AWAY, self._now)
            self._note(NoteKind.AWAY)
        elif not away and self._state is State.AWAY:
            self._go(Trigger.ACTIVE, self._now)
            self._note(NoteKind.ACTIVE)

    # The user

    def _on_reconnect(self) -> None:
        if self._state is State.PAUSED:
            return self._on_resume()
        if self._state is State.ASLEEP:
            self._on_woke(0)  # someone clicked, so the machine is awake
        if self._live is not None:
            return self._on_reconnect_online(self._live)
        if self._next is not None:
            return self._tell(Answer.ALREADY)
        self._retry_at = self._now
        return self._tell_when(Answer.NOW)

    def _on_reconnect_online(self, live: LinkRecord) -> None:
        if self._next is not None:
            self._next.reasons.add(Reason.USER)
            return self._tell(Answer.HANDOVER)
        refusal, self._refusal = self._refusal, None  # one more try is what the user asks for
        self._want(Reason.USER)
        self._retry_at = self._now
        wait = (self._next_due() or self._now) - self._now
        if wait == 0:
            return self._tell(Answer.HANDOVER)
        self._wanted.discard(Reason.USER)
        self._refusal = refusal
        if not live.unproven:
            self._ping(live)
        return self._tell(Answer.CHECKING, wait)

    def _on_pause(self) -> None:
        if self._state is State.PAUSED:
            return self._tell(Answer.PAUSED)
        self._end_all(Trigger.PAUSE, Cause.USER)
        self._note(NoteKind.PAUSE)
        self._forget_outage()
        return self._tell(Answer.PAUSED)

    def _on_resume(self) -> None:
        if self._state is not State.PAUSED:
            return self._tell(Answer.ALREADY)
        self._note(NoteKind.RESUME)
        self._begin_anew(Trigger.RESUME)
        return self._tell_when(Answer.RESUMED)

    def _on_quit(self, cause: Cause) -> None:
        self._end_all(Trigger.QUIT, cause)

    def _on_token_changed(self) -> None:
        self._refusal = None
        if self._state is State.REFUSED:
            self._abandon_next()
            self._begin_anew(Trigger.TOKEN)
        elif self._live is not None:
            self._failure = None
            self._retry_at = self._now  # for a second link that is still wanted
        elif self._state in DOWN:
            self._abandon_next()  # it asks with the old token
            self._retry_at = self._now

    # The machine and its network

    def _on_route(self) -> None:
        if self._state not in DOWN or self._state is State.REFUSED:
            return
        pending = self._next
        if (
            pending
            and pending.stage is Stage.OPENING
            and self._now - pending.asked_at > self._policy.impatience
        ):
            self._abandon_next()
        if self._next is None:
            self._retry_at = self._now

    def _on_sleep(self) -> None:
        if self._state in (State.PAUSED, State.ASLEEP):
            return
        self._fall_asleep(self._now)

    def _on_woke(self, slept: int) -> None:
        if self._state is State.PAUSED:
            return
        if self._state is not State.ASLEEP:
            told_before = self._woke_at is not None and self._now - slept < self._woke_at
            if told_before or slept <= 0:
                return  # two watchers may tell of one sleep
            live = self._live
            self._fall_asleep(live.last_frame if live else self._now - slept)
        self._woke_at = self._now
        self._note(NoteKind.WAKE)
        refusal = self._refusal
        self._begin_anew(Trigger.WAKE if refusal is None else Trigger.WAKE_REFUSED)
        self._failure = self._refusal = refusal
        wait = refusal is not None and not refusal.quiet_retry
        if self._kept is not None:
            self._ping(self._kept)
            wait = wait or not self._spare_on_suspicion  # Socket Mode: the kept link first has its chance
        if wait:
            self._retry_at = None

    def _fall_asleep(self, at: int) -> None:
        kept = self._live or self._kept
        if self._live is not None:
            self._live = None
            self._stop(Cause.SLEPT, None, at)
            self._go(Trigger.SLEEP, at, Cause.SLEPT)
        else:
            self._go(Trigger.SLEEP, at)
        self._sleep_told_at = self._now
        self._note(NoteKind.SLEEP, at=self._since)
        self._kept = kept
        self._spare_lives.clear()
        if self._next is not None and self._next.stage is Stage.LIVE:
            self._note_link_end(self._next, Cause.SLEPT)
        self._abandon_next()
        self._wanted.clear()
        self._retry_at = None

    def _thaw(self, stood: int) -> None:
        """This process stood still for ``stood`` ms: what was due was not done, and silence proves nothing."""
        live = self._live
        if live is None or live.frozen:
            return  # one more chance for each sign of life, or standing still again and again would hold a dead link
        live.frozen = True
        live.suspect = False
        live.unanswered_since = None
        self._wanted.discard(Reason.SUSPECT)
        self._ping(live)
        if self._next is not None and self._next.stage is Stage.LIVE:
            self._next.frozen = True
            self._ping(self._next)
        self._note(NoteKind.CLOCK, frozen_ms=stood)

    # Links

    def _find(self, number: int) -> LinkRecord | None:
        return next((x for x in (self._live, self._next, self._kept) if x and x.number == number), None)

    def _want(self, reason: Reason) -> None:
        """A second link is wanted; one that is being opened serves every reason."""
        if self._next is not None:
            self._next.reasons.add(reason)
            return
        if not self._wanted:
            self._wanted_since = self._retry_at = self._now
        self._wanted.add(reason)

    def _next_due(self) -> int | None:
        """When the next link is to be opened: the one place that decides it."""
        if self._next is not None or self._retry_at is None:
            return None
        policy = self._policy
        if self._live is None:
            if self._state not in DOWN:
                return None
            return max(self._retry_at, self._not_before, self._budget.available_at(self._now))
        if not self._wanted or self._refusal is not None:
            return None
        due = max(
            self._retry_at, self._not_before, self._budget.available_at(self._now, policy.budget_reserve)
        )
        if self._wanted <= SPARES:
            due = max(due, self._last_spare + policy.spare_interval)
        return due

    def _open_next(self) -> None:
        self._last_number += 1
        self._next = LinkRecord(self._last_number, self._now, set(self._wanted))
        if self._live is not None and self._wanted <= SPARES:
            self._last_spare = self._now
        self._wanted.clear()
        self._retry_at = None
        self._budget.take(self._now)
        if self._live is None:
            self._attempts += 1
            self._span_attempts += 1
        first = self._live is None and self._state is State.CONNECTING
        policy = self._policy
        tcp = policy.step_limit if first or self._live else policy.tcp_limit_offline
        self._do(OpenLink(self._last_number, policy.step_limit, tcp))

    def _next_failed(self, failure: Failure, how: Farewell | None = None) -> None:
        link, self._next = self._next, None
        assert link is not None
        if link.stage > Stage.OPENING:
            failure = replace(failure, reached_slack=True)
        if not failure.reached_slack:
            self._budget.give_back(self._now)
        if how is not None:
            self._let_go(link, how)
        if link.stage is Stage.LIVE:
            self._note_link_end(link, failure.cause)
            spoke = failure.cause in _LAST_WORDS and not link.frozen
            self._spare_lives.append((link, failure, self._now if spoke else link.last_frame))
        self._not_before = max(self._not_before, earliest_by_slack(failure, self._now))
        if self._live is None:
            self._attempt_failed(failure)
        else:
            self._second_failed(link, failure)

    def _second_failed(self, link: LinkRecord, failure: Failure) -> None:
        assert self._live is not None
        # What is no longer wanted is not tried again: a click has had its try, a suspicion may have passed.
        self._wanted = link.reasons & {Reason.PLANNED, Reason.DEAF}
        if self._live.suspect:
            self._wanted.add(Reason.SUSPECT)
        if failure.cause is Cause.REFUSED_TOKEN:
            self._refusal = self._failure = failure
            self._note(NoteKind.WARNING, failure=failure)
            return
        age = self._now - self._wanted_since
        self._retry_in(failure, age)

    def _attempt_failed(self, failure: Failure) -> None:
        self._failure = failure
        if failure.cause is Cause.REFUSED_TOKEN:
            return self._refused(failure)
        if self._state is State.REFUSED:
            # A quiet try or a click that met other trouble: the refusal stands.
            quiet = self._refusal is not None and self._refusal.quiet_retry
            self._failure = self._refusal
            self._retry_at = self._now + self._policy.quiet_retry if quiet else None
            return None
        first = not self._causes_seen
        if self._state is State.CONNECTING:
            self._go(Trigger.FAILED, self._now, failure.cause, failure)
        if first:
            self._note(NoteKind.FAIL, failure=failure)
        elif failure.cause not in self._causes_seen:
            self._note(NoteKind.CAUSE, failure=failure)
        self._causes_seen.add(failure.cause)
        return self._retry_in(failure, self._now - self._outage_since)

    def _refused(self, failure: Failure) -> None:
        self._refusal = failure
        if self._state is not State.REFUSED:
            self._go(Trigger.REFUSED, self._now, failure.cause, failure)
            self._note(NoteKind.REFUSED, failure=failure)
        self._retry_at = self._now + self._policy.quiet_retry if failure.quiet_retry else None

    def _retry_in(self, failure: Failure, age: int) -> None:
        delay = self._policy.retry_delay(
            reached=failure.reached_slack,
            outage_age=age,
            random=self._random(),
            too_many=failure.cause is Cause.TOO_MANY_LINKS,
        )
        self._retry_at = self._now + delay

    def _hand_over(self) -> None:
        """The next link lives: it carries the session on, and the old one is closed."""
        old, new = self._live, self._next
        assert old is not None
        assert new is not None
        self._live, self._next = new, None
        if new.connections is None:
            new.connections = old.connections
        self._failure = self._refusal = None
        reason = min(new.reasons, key=list(Reason).index, default=Reason.PLANNED)
        self._note(
            NoteKind.HANDOVER,
            reason=old.leaving or reason,
            link=new.number,
            lived_ms=self._now - old.hello_at,
        )
        self._note_link_end(old, old.leaving or _HANDOVER_CAUSES[reason])
        self._let_go(old, Farewell.RELIEVE)

    def _abandon_next(self) -> None:
        link, self._next = self._next, None
        self._let_go(link, Farewell.CLOSE if link and link.stage is Stage.LIVE else Farewell.ABORT)

    def _let_go(self, link: LinkRecord | None, how: Farewell) -> None:
        if link is not None:
            self._do(DropLink(link.number, how))

    # Sessions

    def _begin_session(self, link: LinkRecord, at: int, *, same_link: bool = False) -> None:
        self._live = link
        self._failure = self._refusal = None
        self._retry_at = None
        down = None if self._down_since is None else at - self._down_since
        attempts = self._attempts
        self._go(Trigger.HELLO, at)
        self._session_since = at
        self._note(
            NoteKind.START, at=at, down_ms=down, attempts=attempts, link=link.number, same_link=same_link
        )
        self._down_since = None
        self._attempts = 0
        self._causes_seen.clear()

    def _stop(self, cause: Cause, failure: Failure | None, at: int) -> None:
        """The session ends at ``at`` (clipped to its open span): the note, and what a retry needs to know."""
        assert self._session_since is not None
        at = max(at, self._since)
        up = at - self._session_since
        if up >= self._policy.stable_after:
            self._outage_since = at
        self._note(NoteKind.STOP, at=at, failure=failure, cause=cause.value, up_ms=up)
        self._session_since = None
        self._down_since = at
        self._attempts = 0
        self._causes_seen.clear()

    def _session_lost(self, link: LinkRecord, failure: Failure, at: int, *, noted: bool = False) -> None:
        """The live link is gone. A second link that lives takes over with a gap; one being opened goes on.

        A second link that came up and died while the first one still had its chance was up all the same: its life
        becomes a session of its own.
        """
        session_since = self._session_since
        assert session_since is not None
        cause = link.leaving or (Cause.FROZEN if link.frozen else failure.cause)
        at = max(at, self._since)
        stable = at - session_since >= self._policy.stable_after
        self._live = None
        self._wanted.clear()
        if not noted:
            self._note_link_end(link, cause, at)
        refusal = failure if failure.cause is Cause.REFUSED_TOKEN else self._refusal
        self._stop(cause, failure, at)
        self._failure = failure
        if self._spare_lives:
            spare, its_failure, ended_at = self._spare_lives.pop(0)
            self._go(Trigger.LOST, at, cause, failure)
            self._begin_session(spare, max(spare.hello_at, at))
            self._refusal = refusal
            self._session_lost(spare, its_failure, ended_at, noted=True)
        elif self._next is not None and self._next.stage is Stage.LIVE:
            new, self._next = self._next, None
            self._go(Trigger.LOST, at, cause, failure)
            self._begin_session(new, max(new.hello_at, at))
        elif refusal is not None:
            self._failure = self._refusal = refusal
            self._abandon_next()
            self._go(Trigger.REFUSED, at, refusal.cause, refusal)
            self._note(NoteKind.REFUSED, failure=refusal)
            self._retry_at = self._now + self._policy.quiet_retry if refusal.quiet_retry else None
        else:
            self._go(Trigger.LOST, at, cause, failure)
            self._not_before = max(self._not_before, earliest_by_slack(failure, self._now))
            if self._next is not None:
                self._attempts = self._span_attempts = 1
                self._retry_at = None
            elif stable and failure.cause is not Cause.TOO_MANY_LINKS:
                self._retry_at = self._now
            else:
                self._retry_in(replace(failure, reached_slack=True), self._now - self._outage_since)

    def _end_all(self, trigger: Trigger, cause: Cause) -> None:
        """The user or the system ends everything."""
        if self._session_since is not None:
            self._stop(cause, None, self._now)
        for link in (self._live, self._next, self._kept):
            if link is not None:
                opened = link.stage >= Stage.OPENED
                self._let_go(link, Farewell.CLOSE if opened else Farewell.ABORT)
                if link.stage is Stage.LIVE:
                    self._note_link_end(link, Cause.SLEPT if link is self._kept else cause)
        self._live = self._next = self._kept = None
        self._spare_lives.clear()
        self._wanted.clear()
        self._retry_at = None
        self._go(trigger, self._now, cause)

    def _begin_anew(self, trigger: Trigger) -> None:
        self._go(trigger, self._now)
        self._forget_outage()
        self._retry_at = self._now

    def _forget_outage(self) -> None:
        self._outage_since = self._now
        self._failure = self._refusal = None
        self._attempts = 0
        self._causes_seen.clear()
        self._down_since = self._now

    # Signs of life

    def _ping(self, link: LinkRecord) -> None:
        self._do(SendPing(link.number, link.pinged(self._now)))

    def _suspect(self, link: LinkRecord) -> None:
        link.suspect = True
        if self._spare_on_suspicion:
            self._want(Reason.SUSPECT)

    def _silent(self) -> None:
        """The live link had its last chance."""
        live = self._live
        assert live is not None
        self._let_go(live, Farewell.ABORT if self._spare_on_suspicion else Farewell.CLOSE)
        silent = self._now - live.last_frame
        failure = Failure(
            Cause.KEEPALIVE_TIMEOUT, Phase.LIVE, reached_slack=True, evidence={"silent_ms": silent}
        )
        self._session_lost(live, failure, live.last_frame)

    def _deaf(self) -> None:
        live = self._live
        assert live is not None
        live.unanswered_since = self._now
        self._want(Reason.DEAF)

    # Time

    def _timers(self) -> Iterator[tuple[int, Callable[[], None]]]:
        """Everything that happens by itself: (when, what)."""
        policy = self._policy
        due = self._next_due()
        if due is not None:
            yield due, self._open_next
        if self._next is not None and self._next.stage is Stage.LIVE:
            if not self._next.unproven:  # it may have to take over, and must not be a stranger then
                yield self._next.ping_due(policy.quiet_before_ping), self._ping_next
        elif self._next is not None:
            limit = self._next.asked_at + policy.attempt_limit
            if self._next.stage is Stage.OPENED:
                limit = min(limit, self._next.opened_at + policy.step_limit)
            yield limit, self._attempt_too_long
        if self._state is State.ASLEEP:
            yield self._sleep_told_at + policy.no_sleep, lambda: self._on_woke(0)
        elif self._kept is not None:
            yield self._kept.last_ping_at + policy.wake_answer_limit, self._kept_too_late
        if self._live is not None:
            yield from self._life_timers(self._live)

    def _life_timers(self, live: LinkRecord) -> Iterator[tuple[int, Callable[[], None]]]:
        policy = self._policy
        if not live.unproven:
            quiet = live.ping_due(policy.quiet_before_ping)
            yield min(quiet, live.last_ping_at + policy.ping_while_busy), lambda: self._ping(live)
        elif not live.suspect:
            limit = live.roundtrip.answer_limit(policy.answer_limit_min, policy.answer_limit_max)
            yield live.last_ping_at + limit, lambda: self._suspect(live)
        else:
            answered = self._next is not None and self._next.stage in (Stage.ANSWERED, Stage.OPENED)
            limit = policy.silence_limit_answered if answered else policy.silence_limit
            yield live.last_ping_at + limit, self._silent
        if self._strangers_since is not None and not self._strangers_told:
            yield self._strangers_since + policy.leftovers_for, self._tell_of_strangers
        # A server that never answers pings at all is left alone: only a change is a sign.
        if live.unanswered_since is not None and live.ever_ponged and self._spare_on_suspicion:
            yield live.unanswered_since + policy.ping_while_busy, self._deaf

    def _tell_of_strangers(self) -> None:
        assert self._live is not None
        self._strangers_told = True
        self._note(NoteKind.WARNING, connections=self._live.connections)

    def _ping_next(self) -> None:
        assert self._next is not None
        self._ping(self._next)

    def _attempt_too_long(self) -> None:
        assert self._next is not None
        cause, phase = TIMEOUTS[self._next.stage]
        self._next_failed(Failure(cause, phase, reached_slack=True), Farewell.ABORT)

    def _kept_too_late(self) -> None:
        self._kept_gone(Farewell.ABORT)

    def _kept_gone(self, how: Farewell | None = None) -> None:
        """The link from before the sleep had its chance; where that was waited for, the attempt is due now."""
        link, self._kept = self._kept, None
        assert link is not None
        if how is not None:
            self._let_go(link, how)
        self._note_link_end(link, Cause.SLEPT)
        if self._state in DOWN and self._next is None and self._retry_at is None and self._refusal is None:
            self._retry_at = self._now

    def _run_timers(self) -> None:
        for _ in range(_MOST_TIMERS_AT_ONCE):
            at, action = min(self._timers(), key=lambda timer: timer[0], default=(self._now + 1, None))
            if at > self._now or action is None:
                return
            action()
        self._anomaly(ev.Tick())

    # Output

    def _go(
        self, trigger: Trigger, at: int, cause: Cause | None = None, failure: Failure | None = None
    ) -> None:
        """Take one row of the table, or report that there is none."""
        new = TRANSITIONS[self._state].get(trigger)
        if new is None:
            self._do(Anomaly(f"{trigger.value} in state {self._state.value}"))
            return
        at = max(at, self._since)
        self._do(EnterState(new, at, cause, failure, self._span_attempts))
        self._state, self._since = new, at
        self._span_attempts = 0

    def _note(
        self,
        kind: NoteKind,
        *,
        at: int | None = None,
        failure: Failure | None = None,
        **facts: str | int | bool | None,
    ) -> None:
        told = {name: value for name, value in facts.items() if value is not None and value is not False}
        self._do(Note(kind, self._now if at is None else at, failure, told))

    def _note_link_end(self, link: LinkRecord, cause: Cause, at: int | None = None) -> None:
        at = self._now if at is None else at
        self._note(NoteKind.LINK_END, at=at, link=link.number, lived_ms=at - link.hello_at, cause=cause.value)

    def _tell(self, answer: Answer, wait: int = 0) -> None:
        self._do(TellUser(answer, wait))

    def _tell_when(self, answer: Answer) -> None:
        """Say ``answer``, or how long the budget or Slack makes the user wait."""
        wait = (self._next_due() or self._now) - self._now
        self._tell(answer if wait == 0 else Answer.WAITING, wait)

    def _anomaly(self, event: ev.Event) -> None:
        self._do(Anomaly(f"{event} in state {self._state.value}"))

    def _do(self, effect: Effect) -> None:
        self._effects.append(effect)


_HANDOVER_CAUSES = {
    Reason.PLANNED: Cause.GOODBYE,
    Reason.USER: Cause.USER,
    Reason.SUSPECT: Cause.KEEPALIVE_TIMEOUT,
    Reason.DEAF: Cause.KEEPALIVE_TIMEOUT,
}
"""Why the old link ended, by why the new one was opened."""

_LAST_WORDS = frozenset(
    {Cause.ABRUPT_CLOSE, Cause.RESET, Cause.CLOSED_BY_SLACK, Cause.PROTOCOL_ERROR, Cause.REFUSED_TOKEN}
    | {Cause.TEAM_MIGRATION, Cause.TOO_MANY_LINKS, Cause.REFRESH, Cause.GOODBYE}
)
"""Ends that are a message from the other side, and so proof that it was there until then."""
