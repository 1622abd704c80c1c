"""Every sentence for people, in one place, through gettext: English is the source.

Names of causes and states are data and stay as they are in logs and JSON; what stands here is what they mean to a
person. The bottom layer of the package: it takes and gives plain strings and imports nothing of traymon.

What comes from outside (a close reason, an error code, a host name) passes :func:`printable` before it becomes
part of a sentence, so every text made here can be printed to a terminal as it is.
"""

import contextlib
import gettext as _gettext
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TextIO

_translations: _gettext.NullTranslations = _gettext.NullTranslations()


def gettext(message: str) -> str:
    """``message`` in the language in use; English where no translation exists."""
    return _translations.gettext(message)


_ = gettext


def _mark(message: str) -> str:
    """Mark a message in a table for the translators' tools; it is translated where it is used."""
    return message


# ---------------------------------------------------------------------------------------------------- states

_STATES: Mapping[str, str] = {
    "connecting": _mark("connecting"),
    "online": _mark("online"),
    "away": _mark("online, shown as away"),
    "offline": _mark("offline"),
    "refused": _mark("refused by Slack"),
    "paused": _mark("paused"),
    "asleep": _mark("asleep"),
    "unknown": _mark("not running"),
}


def state(name: str) -> str:
    """What a state is called when shown to a person. A name that is not known is shown as it is."""
    known = _STATES.get(str(name))
    return gettext(known) if known is not None else printable(str(name))


# ---------------------------------------------------------------------------------------------------- causes

_SHORT: Mapping[str, str] = {
    "no_route": _mark("this machine has no network"),
    "dns": _mark("Slack's name cannot be looked up"),
    "proxy": _mark("the proxy is in the way"),
    "captive_portal": _mark("the network wants you to sign in"),
    "connect_refused": _mark("the connection is refused"),
    "connect_timeout": _mark("no answer from Slack's address"),
    "unreachable": _mark("Slack cannot be reached"),
    "tls": _mark("no trusted encryption to Slack"),
    "not_websocket": _mark("something blocks WebSockets"),
    "api_timeout": _mark("Slack's API does not answer"),
    "handshake_timeout": _mark("Slack does not finish connecting"),
    "hello_timeout": _mark("Slack does not greet the link"),
    "url_expired": _mark("the link's address had expired"),
    "abrupt_close": _mark("hung up without a close frame"),
    "reset": _mark("the connection was reset"),
    "keepalive_timeout": _mark("the link went silent"),
    "closed_by_slack": _mark("Slack closed the link"),
    "goodbye": _mark("Slack said goodbye"),
    "refresh": _mark("Slack asked for a new link"),
    "protocol_error": _mark("the link sent nonsense"),
    "team_migration": _mark("Slack is moving the workspace"),
    "rate_limited": _mark("Slack asks to wait"),
    "slack_error": _mark("Slack reports an error"),
    "too_many_links": _mark("too many links are open"),
    "refused_token": _mark("Slack refuses the token"),
    "no_token": _mark("the token cannot be read"),
    "user": _mark("you asked for it"),
    "quit": _mark("traymon was ended"),
    "slept": _mark("this machine slept"),
    "frozen": _mark("traymon stood still"),
    "traymon_died": _mark("traymon died"),
    "system_shutdown": _mark("this machine shut down"),
}

# Each says what happened, what that tells, and what to do where a person can do something. ``{host}``, ``{said}``
# (the other side's words, or nothing), ``{code}``, ``{status}``, ``{silence}`` and ``{issuer}`` are filled in.
_SENTENCES: Mapping[str, str] = {
    "no_route": _mark(
        "This machine has no network route; traymon tries again as soon as one appears. Check Wi-Fi, cable or VPN."
    ),
    "dns": _mark(
        "The name {host} cannot be looked up: the name server does not answer or does not know it. "
        "Check the network, the VPN and the DNS settings."
    ),
    "proxy": _mark(
        "The proxy cannot be used{said}. Check “proxy” in the configuration, or HTTPS_PROXY in the environment."
    ),
    "captive_portal": _mark(
        "The network's own sign-in page answered instead of Slack. Open a browser and sign in to the network."
    ),
    "connect_refused": _mark(
        "The network works, but {host} refuses connections: nothing listens there, or a firewall says no."
    ),
    "connect_timeout": _mark(
        "{host} does not answer connection attempts: packets get lost on the way, or a firewall drops them."
    ),
    "unreachable": _mark("This machine has a network, but says that {host} cannot be reached from it{said}."),
    "tls": _mark(
        "No trusted encrypted connection to {host}{said}. Check this machine's date and its certificates."
    ),
    "not_websocket": _mark(
        "What answered at {host} does not speak WebSocket{said}. A proxy or firewall may be blocking WebSockets."
    ),
    "api_timeout": _mark("{host} could be reached, but its API did not answer in time."),
    "handshake_timeout": _mark(
        "{host} took the connection, but did not finish the WebSocket handshake in time."
    ),
    "hello_timeout": _mark("The link to Slack opened, but Slack's “hello” did not come in time."),
    "url_expired": _mark("The link's address had expired or was used up; traymon asks Slack for a new one."),
    "abrupt_close": _mark("Slack hung up without a close frame."),
    "reset": _mark(
        "The connection was reset (RST): Slack, or something on the way, tore it down without a word."
    ),
    "keepalive_timeout": _mark(
        "Nothing came any more{silence}, not even the answer to a ping: the link was dead though nobody had closed it."
    ),
    "closed_by_slack": _mark("Slack closed the link{code}{said}."),
    "goodbye": _mark("Slack said goodbye, as it does at its restarts and after 8 hours at most."),
    "refresh": _mark("Slack asked for the link to be renewed, as it does from time to time."),
    "protocol_error": _mark(
        "The other side broke the WebSocket protocol{said}. Likely something on the way altered or cut the data."
    ),
    "team_migration": _mark("Slack is moving the workspace to another server; this ends by itself."),
    "rate_limited": _mark(
        "Slack asks to wait before the next attempt (rate limit); traymon waits as long as asked."
    ),
    "slack_error": _mark("Slack answered with an error{said}; traymon keeps trying."),
    "too_many_links": _mark(
        "The app has too many links open at Slack. End other copies of the bot; dead links go by themselves in hours."
    ),
    "refused_token": _mark(
        "Slack refuses the token{said}. Check the app at api.slack.com/apps, then run traymon setup."
    ),
    "no_token": _mark("The token cannot be read. Unlock the keyring, or run traymon setup."),
    "user": _mark("You asked for it."),
    "quit": _mark("traymon was told to end."),
    "slept": _mark("This machine slept."),
    "frozen": _mark("traymon stood still for a while: it was stopped, or this machine was overloaded."),
    "traymon_died": _mark(
        "traymon ended without a goodbye: killed, crashed, or the power failed. The time of the stop is an estimate."
    ),
    "system_shutdown": _mark("This machine shut down, or the session was logged out."),
}

# Sentences that fit better when the evidence holds more: cause -> ((test of the evidence, sentence), ...).
_HTTP_REFUSAL = _mark(
    "{host} answered with HTTP status {status} instead of a WebSocket. A proxy or firewall may be blocking WebSockets."
)
_PROXY_PASSWORD = _mark(
    "The proxy wants a user name and a password. Put them into its address: http://user:password@host:port."
)
_PROXY_WRONG_PASSWORD = _mark(
    "The proxy does not accept the user name and the password in its address. Correct “proxy” in the configuration, or "
    "HTTPS_PROXY in the environment."
)
_PROXY_SCHEME = _mark(
    "The proxy wants a sign-in by {scheme}, which traymon does not support (Basic only). Ask your network's admins for "
    "a proxy that takes Basic or needs no sign-in."
)
_PROXY_STATUS = _mark("The proxy answered with HTTP status {status}; it may not allow connections to {host}.")
_FOREIGN_ISSUER = _mark(
    "The certificate shown for {host} is not trusted; it was issued by {issuer}. If your company inspects traffic, "
    "set “ca_file” to its certificate."
)
_TLS_CUT = _mark(
    "{host} took the connection, but the TLS handshake came to nothing{said}. Something on the way may be filtering it."
)
_NOT_TLS = _mark(
    "What answered at {host} does not speak TLS{seen}. Something on the way answers in its place: a sign-in page, a "
    "proxy, another program."
)
_SLACK_STATUS = _mark("Slack's API answered with HTTP status {status}; traymon keeps trying.")

_SOCKET_MODE = _mark(
    "Slack does not allow this kind of token for RTM ({error}). Use Socket Mode: turn it on for the app at "
    'api.slack.com/apps, set transport = "socket" and run traymon setup.'
)
_NEW_TOKEN = _mark(
    "Slack says that this token is not valid any more ({error}). Run traymon setup with a new one."
)
_NEW_TOKEN_OR_NETWORK = _mark(
    "Slack does not know this token, or does not allow this network ({error}). Run traymon setup with a new token, or "
    "ask your workspace's admins."
)
_APP_TOKEN = _mark(
    "Slack does not allow this kind of token for Socket Mode ({error}). It needs the app-level token (xapp-…): run "
    "traymon setup --transport socket."
)
_APP_SCOPE = _mark(
    "The app-level token lacks a permission ({error}). Make one with the scope connections:write at "
    "api.slack.com/apps, then run traymon setup --transport socket."
)
_ADMINS = _mark("Your workspace's rules do not allow this ({error}). Ask the workspace's admins.")
_SCOPE = _mark(
    "The token lacks a permission ({error}). Add the scope at api.slack.com/apps, install the app again and run "
    "traymon setup."
)
_ACCOUNT = _mark("The bot's account or its workspace is switched off ({error}). Ask the workspace's admins.")
_LEGACY = _mark(
    "Slack ended legacy custom bots on 2025-03-31 ({error}). Make an app with Socket Mode at api.slack.com/apps and "
    "run traymon setup."
)
_DISABLED = _mark(
    "Socket Mode is switched off for this app ({error}). Turn it on at api.slack.com/apps, then click Reconnect."
)
_NAMELESS = _mark(
    "Slack's name cannot be looked up: the name server does not answer or does not know it. "
    "Check the network, the VPN and the DNS settings."
)
_BOT_TOKEN = _mark(
    "Slack wants another kind of token here ({error}). Run traymon setup and give the token it asks for."
)
_DEFECT = _mark(
    "Slack does not understand the request ({error}). Check “api_url”; else please report this as a defect."
)

# Slack's codes for "no, for good": Web API reference and shared notes on RTM's end.
_REFUSALS: Mapping[str, str] = {
    "not_allowed_token_type": _SOCKET_MODE,
    "rtm_connect_required": _SOCKET_MODE,
    "method_deprecated": _SOCKET_MODE,
    "deprecated_endpoint": _SOCKET_MODE,
    "legacy_custom_bots_deprecated": _LEGACY,
    "link_disabled": _DISABLED,
    "token_revoked": _NEW_TOKEN,
    "token_expired": _NEW_TOKEN,
    "not_authed": _NEW_TOKEN,
    "invalid_auth": _NEW_TOKEN_OR_NETWORK,
    "accesslimited": _NEW_TOKEN_OR_NETWORK,
    "account_inactive": _ACCOUNT,
    "user_removed_from_team": _ACCOUNT,
    "team_disabled": _ACCOUNT,
    "forbidden_team": _ACCOUNT,
    "missing_scope": _SCOPE,
    "no_permission": _SCOPE,
    "is_bot": _BOT_TOKEN,
    "access_denied": _ADMINS,
    "enterprise_is_restricted": _ADMINS,
    "ekm_access_denied": _ADMINS,
    "two_factor_setup_required": _ADMINS,
    "unknown_method": _DEFECT,
    "missing_args": _DEFECT,
    "insecure_request": _DEFECT,
}

# The same where an app-level token was refused.
_SOCKET_REFUSALS: Mapping[str, str] = {
    "not_allowed_token_type": _APP_TOKEN,
    "missing_scope": _APP_SCOPE,
    "no_permission": _APP_SCOPE,
}

_MOST_SAID = 120
"""Longest quotation of the other side in a sentence: a close reason has at most 123 bytes (RFC 6455)."""


def short_cause(cause: str) -> str:
    """A cause in at most 40 characters, for a menu or a tooltip. A name that is not known is shown as it is."""
    known = _SHORT.get(str(cause))
    return gettext(known) if known is not None else printable(str(cause))[:40]


def cause(
    cause: str,
    *,
    detail: str = "",
    close_code: int | None = None,
    evidence: Mapping[str, object] | None = None,
) -> str:
    """What happened, what that tells and what to do, in one or two sentences.

    ``detail`` is the other side's own words; ``evidence`` the facts of the failure (``host``, ``http_status``,
    ``error``, ``issuer``, ``silent_ms``). Both are escaped. A cause that is not known is shown by its name.
    """
    if cause == "no_token" and detail:
        return printable(detail)  # a whole sentence of traymon's own, with what to do
    facts = evidence or {}
    template = _choose(str(cause), detail, facts)
    return gettext(template).format(
        host=_quoted(facts.get("host")) or gettext("Slack"),
        said=_said(detail or facts.get("error") or facts.get("first_bytes")),
        code="" if close_code is None else gettext(" with code {code}").format(code=close_code),
        status=_quoted(facts.get("http_status")),
        seen=_said(facts.get("first_bytes")),
        scheme=_quoted(facts.get("proxy_wants")),
        silence=_silence(facts.get("silent_ms")),
        issuer=_quoted(facts.get("issuer")),
        error=_quoted(detail),
        name=_quoted(cause),
    )


def _choose(cause: str, detail: str, facts: Mapping[str, object]) -> str:
    """The sentence that fits best, still a template in English."""
    status = facts.get("http_status")
    if cause == "refused_token" and detail in _REFUSALS:
        for_socket = _SOCKET_REFUSALS if facts.get("transport") == "socket" else {}
        return for_socket.get(detail, _REFUSALS[detail])
    if cause == "proxy" and status == 407:
        return _choose_sign_in(facts)
    if cause == "tls":
        return _choose_tls(facts)
    if cause == "dns" and not facts.get("host"):
        return _NAMELESS
    with_status = {"proxy": _PROXY_STATUS, "not_websocket": _HTTP_REFUSAL, "slack_error": _SLACK_STATUS}
    if status is not None and not detail and cause in with_status:
        return with_status[cause]
    return _SENTENCES.get(cause, "{name}{said}")


def _choose_tls(facts: Mapping[str, object]) -> str:
    if facts.get("issuer"):
        return _FOREIGN_ISSUER
    if facts.get("first_bytes"):
        return _NOT_TLS
    return _TLS_CUT if facts.get("answered") is False else _SENTENCES["tls"]


def _choose_sign_in(facts: Mapping[str, object]) -> str:
    """What a proxy's 407 means: that depends on how it wants to be signed in to, and on whether traymon did."""
    if str(facts.get("proxy_wants") or "Basic").lower() != "basic":
        return _PROXY_SCHEME
    return _PROXY_WRONG_PASSWORD if facts.get("proxy_login") else _PROXY_PASSWORD


def _quoted(value: object) -> str:
    text = "" if value is None else printable(str(value))
    return text if len(text) <= _MOST_SAID else text[: _MOST_SAID - 1] + "…"


def _said(value: object) -> str:
    text = _quoted(value).strip().rstrip(".")
    return f": “{text}”" if text else ""


def _silence(silent_ms: object) -> str:
    if not isinstance(silent_ms, (int, float)):
        return ""
    return gettext(" for {duration}").format(duration=duration(int(silent_ms)))


# ------------------------------------------------------------------------------------------ times and escapes


def duration(ms: int) -> str:
    """A length of time (milliseconds) for people: ``0.4s``, ``42s``, ``5m 03s``, ``15h 40m 02s``, ``3d 04h 10m``.

    Rounded down, so that nothing is said to have lasted longer than it did. A negative length is shown as ``0s``.
    """
    if ms < 1000:
        return f"{ms // 100 / 10}s" if ms >= 100 else "0s"
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02}h {minutes:02}m"
    if hours:
        return f"{hours}h {minutes:02}m {seconds:02}s"
    if minutes:
        return f"{minutes}m {seconds:02}s"
    return f"{seconds}s"


def clock_time(wall_ms: int, *, now_ms: int | None = None) -> str:
    """A moment (UTC milliseconds) as local time, ``07:29:10``.

    With ``now_ms``, the date stands before it when it is not the local day of ``now_ms``. A moment that no calendar
    holds (a damaged log) is shown as ``?``.
    """
    try:
        moment = _local(wall_ms)
        same_day = now_ms is None or moment.date() == _local(now_ms).date()
    except (OverflowError, OSError, ValueError):
        return "?"
    return moment.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S")


def _local(wall_ms: int) -> datetime:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).astimezone()


# Cc: controls, C0 and C1. Cf: formats, the bidirectional overrides among them. Cs: lone surrogates, which cannot be
# encoded. Zl, Zp: separators that some programs take for a new line. The two joiners are part of written words.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")


def printable(text: str) -> str:
    """``text`` with every character escaped that could act on a terminal, hide, reorder or break a line.

    Escapes look as in Python: ``\\x1b``, ``\\u202e``, ``\\n``. Applying it twice changes nothing more.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(char) for char in text)


def _escape(char: str) -> str:
    if char not in _JOINERS and unicodedata.category(char) in _UNPRINTABLE:
        return char.encode("unicode_escape").decode("ascii")
    return char


def to_terminal(stream: TextIO | None) -> Callable[[str], None]:
    """What writes a sentence to ``stream`` (``None``: a program without a terminal has none), escaped, as one line.

    A stream that was closed or cannot be written is no reason to end: the sentence is dropped. Any thread may call it.
    """

    def say(sentence: str) -> None:
        if stream is None:
            return
        # UnicodeEncodeError is a ValueError, as is writing to a closed file.
        with contextlib.suppress(OSError, ValueError):
            stream.write(f"traymon: {printable(sentence)}\n")
            stream.flush()

    return say


# -------------------------------------------------------------------------------------------- the running app

_ANSWERS: Mapping[str, str] = {
    "now": _mark("{bot}: connecting now."),
    "already": _mark("{bot}: already at it."),
    "handover": _mark("{bot}: opening a new link; the present one stays until the new one is up."),
    "checking": _mark("{bot}: online; asking the link for a sign of life. A new link can be had in {wait}."),
    "waiting": _mark("{bot}: Slack's limits allow the next attempt in {wait}; traymon makes it then."),
    "paused": _mark("{bot}: paused until you resume it."),
    "resumed": _mark("{bot}: resumed, connecting now."),
    "late": _mark("{bot}: busy just now; what you asked for is done as soon as possible."),
}


def answer(bot: str, kind: str, wait_ms: int = 0) -> str:
    """What a click or a command brings about; ``kind`` is the core's ``Answer``."""
    return gettext(_ANSWERS[kind]).format(bot=printable(bot), wait=duration(wait_ms + 999))


def no_such_bot(bot: str, known: Sequence[str]) -> str:
    """A bot was named that is not configured."""
    if not known:
        return gettext("There is no bot “{bot}”: none is configured. Run traymon setup.").format(
            bot=printable(bot)
        )
    names = ", ".join(printable(name) for name in known)
    return gettext("There is no bot “{bot}”; there is: {names}.").format(bot=printable(bot), names=names)


def socket_mode_preview(bot: str) -> str:
    """What a person should know who has a Socket Mode bot held by this version."""
    return gettext(
        "{bot}: Socket Mode is a preview: traymon holds the link, but passes nothing on yet. Slack gives each payload "
        "to any one of the app's links, so beside the bot's own program traymon takes a part of what is meant for it; "
        "traymon acknowledges nothing, and Slack sends events again, but no clicks and commands."
    ).format(bot=printable(bot))


def no_program(online: str) -> str:
    """``online`` says that the link is up; this, that Slack counts no other beside it."""
    return gettext("{online}, but no program is attached").format(online=online)


def strange_links(connections: int) -> str:
    """Slack counts more links of a Socket Mode app than traymon's one, and has for half an hour."""
    return gettext(
        "Slack counts {count} links of this app, one of them traymon's; the others are another program's, which shares "
        "what Slack sends with traymon, or leftovers of dead links, which go by themselves in hours"
    ).format(count=connections)


def no_presence(needed: object) -> str:
    """The bot's token may not ask how Slack shows the bot. ``needed`` is the scope as Slack named it, if it did."""
    return gettext(
        "traymon cannot see whether Slack shows the bot as away: its token lacks the scope {scope}; the link is not "
        "affected. To change that, add the scope at api.slack.com/apps, install the app again and restart traymon"
    ).format(scope=_quoted(needed) or "users:read")


def unknown_request() -> str:
    """The control socket got a request that this version does not know."""
    return gettext(
        "The running traymon does not know this request; restart it to make both the same version."
    )


def cannot_open_log(path: str, problem: str) -> str:
    """No viewer could be started for the text log."""
    return gettext("The log could not be shown ({problem}); read it at {path}.").format(
        problem=printable(problem), path=printable(path)
    )


def no_bots(config_file: str) -> str:
    """traymon runs, but keeps nothing."""
    return gettext(
        "No bot is configured yet, so there is nothing to keep online: run traymon setup, or write {path}."
    ).format(path=printable(config_file))


# --------------------------------------------------------------------------------------------------- the demo


def demo_intro() -> str:
    """The demo's first lines."""
    return gettext(
        "traymon demo: a bot held online against a built-in stand-in for Slack; nothing leaves this machine.\n"
        "Watch the tray's icon, if there is a tray; Ctrl-C ends it. Lines with a # are the session log's own."
    )


def demo_team() -> str:
    """The name of the demo's workspace."""
    return gettext("Simulated Workspace")


def demo_scene(what: str) -> str:
    """What the stand-in does next, set apart from the log's lines."""
    return f"          · {what}"


def demo_fin() -> str:
    """2016's drop."""
    return gettext(
        "the stand-in hangs up without a close frame, as Slack did in the night of 2016 (1006). "
        "The session was young, so traymon gives Slack a few seconds."
    )


def demo_refuse(seconds: float) -> str:
    """An outage of Slack's."""
    return gettext(
        "the stand-in goes away: the link is reset, and connections are refused for {seconds:.0f} s."
    ).format(seconds=seconds)


def demo_goodbye() -> str:
    """A planned end."""
    return gettext(
        "the stand-in says goodbye, as Slack does every 8 hours: the next link first, so that there is no gap."
    )


def demo_silence() -> str:
    """A dead link that nobody closed."""
    return gettext(
        "the stand-in falls silent without closing: noticed by a ping that nobody answers, "
        "a second link takes over, and the log gets the stop's true time."
    )


def demo_summary(elapsed_ms: int, up_ms: int, down_ms: int, outages: int, sessions: int) -> str:
    """The demo's last line."""
    return gettext(
        "In {elapsed} the bot was up for {up} and down for {down}: "
        "sessions: {sessions}, outages: {outages}; each stop stands in the log above with its cause."
    ).format(
        elapsed=duration(elapsed_ms),
        up=duration(up_ms),
        down=duration(down_ms),
        outages=outages,
        sessions=sessions,
    )


# ------------------------------------------------------------------------------------------------ side probes

_PROBES: Mapping[str, str] = {
    "probe_route": _mark("route"),
    "probe_dns": _mark("DNS"),
    "probe_proxy": _mark("proxy"),
    "probe_tcp": _mark("TCP"),
    "probe_tls": _mark("TLS"),
}
# What a failed check means: by the check and its cause, else by the check.
_PROBE_FAILURES: Mapping[tuple[str, str], str] = {
    ("probe_tcp", "connect_refused"): _mark("TCP to Slack is refused"),
    ("probe_tcp", "connect_timeout"): _mark("TCP to Slack is not answered"),
    ("probe_tcp", "no_route"): _mark("there is no route to Slack"),
    ("probe_tcp", "unreachable"): _mark("Slack's address cannot be reached"),
    ("probe_tcp", "proxy"): _mark("the proxy opens no way to Slack"),
    ("probe_tls", "reset"): _mark("TLS to Slack is cut off"),
}
_PROBE_FAILS: Mapping[str, str] = {
    "probe_route": _mark("this machine has no route"),
    "probe_dns": _mark("Slack's name cannot be looked up"),
    "probe_proxy": _mark("the proxy cannot be reached"),
    "probe_tcp": _mark("TCP to Slack fails"),
    "probe_tls": _mark("TLS to Slack fails"),
}


def probes(facts: Mapping[str, object]) -> str:
    """What the side probes found, in one clause: “route, DNS and TCP to Slack fine”; "" where nothing was probed.

    ``facts`` may hold other evidence too. Only the first check that failed is told: the later ones build on it.
    """
    fine = [gettext(name) for key, name in _PROBES.items() if facts.get(key) == "ok"]
    failed = next((key for key in _PROBES if facts.get(key) not in (None, "ok", "skipped")), None)
    if failed is None:
        return gettext("{checks} to Slack fine").format(checks=_listed(fine)) if fine else ""
    problem = gettext(_PROBE_FAILURES.get((failed, str(facts[failed]))) or _PROBE_FAILS[failed])
    if failed == "probe_route" or not fine:
        return problem
    return gettext("{checks} fine, but {problem}").format(checks=_listed(fine), problem=problem)


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return gettext("{names} and {last}").format(names=", ".join(names[:-1]), last=names[-1])
