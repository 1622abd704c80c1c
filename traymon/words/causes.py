"""What states, causes and the side probes' findings are called, and what a person should know of each."""

from collections.abc import Mapping, Sequence

from traymon.words.escapes import printable
from traymon.words.language import gettext, mark
from traymon.words.times import duration

_STATES: Mapping[str, str] = {
    "connecting": mark("connecting"),
    "online": mark("online"),
    "away": mark("online, shown as away"),
    "offline": mark("offline"),
    "refused": mark("refused by Slack"),
    "paused": mark("paused"),
    "asleep": mark("asleep"),
    "unknown": mark("not running"),
}


def state(name: str) -> str:
    """What a state is called when shown to a person. A name that is not known is shown as it is."""
    known = _STATES.get(str(name))
    return gettext(known) if known is not None else printable(str(name))


_SHORT: Mapping[str, str] = {
    "no_route": mark("this machine has no network"),
    "dns": mark("Slack's name cannot be looked up"),
    "proxy": mark("the proxy is in the way"),
    "captive_portal": mark("the network wants you to sign in"),
    "connect_refused": mark("the connection is refused"),
    "connect_timeout": mark("no answer from Slack's address"),
    "unreachable": mark("Slack cannot be reached"),
    "tls": mark("no trusted encryption to Slack"),
    "not_websocket": mark("something blocks WebSockets"),
    "api_timeout": mark("Slack's API does not answer"),
    "handshake_timeout": mark("Slack does not finish connecting"),
    "hello_timeout": mark("Slack does not greet the link"),
    "url_expired": mark("the link's address had expired"),
    "abrupt_close": mark("hung up without a close frame"),
    "reset": mark("the connection was reset"),
    "keepalive_timeout": mark("the link went silent"),
    "closed_by_slack": mark("Slack closed the link"),
    "goodbye": mark("Slack said goodbye"),
    "refresh": mark("Slack asked for a new link"),
    "protocol_error": mark("the link sent nonsense"),
    "team_migration": mark("Slack is moving the workspace"),
    "rate_limited": mark("Slack asks to wait"),
    "slack_error": mark("Slack reports an error"),
    "too_many_links": mark("too many links are open"),
    "refused_token": mark("Slack refuses the token"),
    "no_token": mark("the token cannot be read"),
    "user": mark("you asked for it"),
    "quit": mark("traymon was ended"),
    "slept": mark("this machine slept"),
    "frozen": mark("traymon stood still"),
    "traymon_died": mark("traymon died"),
    "system_shutdown": mark("this machine shut down"),
}

# Each says what happened, what that tells, and what to do where a person can do something. ``{host}``, ``{said}``
# (the other side's words, or nothing), ``{code}``, ``{status}``, ``{silence}`` and ``{issuer}`` are filled in.
_SENTENCES: Mapping[str, str] = {
    "no_route": mark(
        "This machine has no network route; traymon tries again as soon as one appears. Check Wi-Fi, cable or VPN."
    ),
    "dns": mark(
        "The name {host} cannot be looked up: the name server does not answer or does not know it. "
        "Check the network, the VPN and the DNS settings."
    ),
    "proxy": mark(
        "The proxy cannot be used{said}. Check “proxy” in the configuration, or HTTPS_PROXY in the environment."
    ),
    "captive_portal": mark(
        "The network's own sign-in page answered instead of Slack. Open a browser and sign in to the network."
    ),
    "connect_refused": mark(
        "The network works, but {host} refuses connections: nothing listens there, or a firewall says no."
    ),
    "connect_timeout": mark(
        "{host} does not answer connection attempts: packets get lost on the way, or a firewall drops them."
    ),
    "unreachable": mark("This machine has a network, but says that {host} cannot be reached from it{said}."),
    "tls": mark(
        "No trusted encrypted connection to {host}{said}. Check this machine's date and its certificates."
    ),
    "not_websocket": mark(
        "What answered at {host} does not speak WebSocket{said}. A proxy or firewall may be blocking WebSockets."
    ),
    "api_timeout": mark("{host} could be reached, but its API did not answer in time."),
    "handshake_timeout": mark(
        "{host} took the connection, but did not finish the WebSocket handshake in time."
    ),
    "hello_timeout": mark("The link to Slack opened, but Slack's “hello” did not come in time."),
    "url_expired": mark("The link's address had expired or was used up; traymon asks Slack for a new one."),
    "abrupt_close": mark("Slack hung up without a close frame."),
    "reset": mark(
        "The connection was reset (RST): Slack, or something on the way, tore it down without a word."
    ),
    "keepalive_timeout": mark(
        "Nothing came any more{silence}, not even the answer to a ping: the link was dead though nobody had closed it."
    ),
    "closed_by_slack": mark("Slack closed the link{code}{said}."),
    "goodbye": mark("Slack said goodbye, as it does at its restarts and after 8 hours at most."),
    "refresh": mark("Slack asked for the link to be renewed, as it does from time to time."),
    "protocol_error": mark(
        "The other side broke the WebSocket protocol{said}. Likely something on the way altered or cut the data."
    ),
    "team_migration": mark("Slack is moving the workspace to another server; this ends by itself."),
    "rate_limited": mark(
        "Slack asks to wait before the next attempt (rate limit); traymon waits as long as asked."
    ),
    "slack_error": mark("Slack answered with an error{said}."),
    "too_many_links": mark(
        "The app has too many links open at Slack. End other copies of the bot; dead links go by themselves in hours."
    ),
    "refused_token": mark(
        "Slack refuses the token{said}. Check the app at api.slack.com/apps, then choose “Set up a bot…” in the menu, "
        "or run traymon setup."
    ),
    "no_token": mark(
        "The token cannot be read. Unlock the keyring, or give traymon the token again: “Set up a bot…” in the menu, "
        "or traymon setup."
    ),
    "user": mark("You asked for it."),
    "quit": mark("traymon was told to end."),
    "slept": mark("This machine slept."),
    "frozen": mark("traymon stood still for a while: it was stopped, or this machine was overloaded."),
    "traymon_died": mark(
        "traymon ended without a goodbye: killed, crashed, or the power failed. The time of the stop is an estimate."
    ),
    "system_shutdown": mark("This machine shut down, or the session was logged out."),
}

# Sentences that fit better when the evidence holds more: cause -> ((test of the evidence, sentence), ...).
_HTTP_REFUSAL = mark(
    "{host} answered with HTTP status {status} instead of a WebSocket. A proxy or firewall may be blocking WebSockets."
)
_PROXY_PASSWORD = mark(
    "The proxy wants a user name and a password. Put them into its address: http://user:password@host:port."
)
_PROXY_WRONG_PASSWORD = mark(
    "The proxy does not accept the user name and the password in its address. Correct “proxy” in the configuration, or "
    "HTTPS_PROXY in the environment."
)
_PROXY_SCHEME = mark(
    "The proxy wants a sign-in by {scheme}, which traymon does not support (Basic only). Ask your network's admins for "
    "a proxy that takes Basic or needs no sign-in."
)
_PROXY_STATUS = mark("The proxy answered with HTTP status {status}; it may not allow connections to {host}.")
_FOREIGN_ISSUER = mark(
    "The certificate shown for {host} is not trusted; it was issued by {issuer}. If your company inspects traffic, "
    "set “ca_file” to its certificate."
)
_TLS_CUT = mark(
    "{host} took the connection, but the TLS handshake came to nothing{said}. Something on the way may be filtering it."
)
_NOT_TLS = mark(
    "What answered at {host} does not speak TLS{seen}. Something on the way answers in its place: a sign-in page, a "
    "proxy, another program."
)
_SLACK_STATUS = mark("Slack's API answered with HTTP status {status}.")

_RTM_OVER_SOCKET_MODE = mark(
    "Slack does not let this token use RTM ({error}). The RTM program can stay as it is: make an app with Socket Mode "
    'for it and set relay = "rtm", by “Set up a bot…” in the menu or traymon setup --relay rtm.'
)
_NEW_TOKEN = mark(
    "Slack says that this token is not valid any more ({error}). Give traymon a new one: “Set up a bot…” in the menu, "
    "or traymon setup."
)
_NEW_TOKEN_OR_NETWORK = mark(
    "Slack does not know this token, or does not allow this network ({error}). Give traymon a new token (“Set up a "
    "bot…” in the menu, or traymon setup), or ask your workspace's admins."
)
_APP_TOKEN = mark(
    "Slack does not allow this kind of token for Socket Mode ({error}). It needs the app-level token (xapp-…): “Set up "
    "a bot…” in the menu, or traymon setup --transport socket."
)
_APP_SCOPE = mark(
    "The app-level token lacks a permission ({error}). Make one with the scope connections:write at "
    "api.slack.com/apps, and give it to traymon: “Set up a bot…” in the menu, or traymon setup --transport socket."
)
_ADMINS = mark("Your workspace's rules do not allow this ({error}). Ask the workspace's admins.")
_SCOPE = mark(
    "The token lacks a permission ({error}). Add the scope at api.slack.com/apps, install the app again and give "
    "traymon the new token: “Set up a bot…” in the menu, or traymon setup."
)
_ACCOUNT = mark("The bot's account or its workspace is switched off ({error}). Ask the workspace's admins.")
_LEGACY = mark(
    "Slack ended legacy custom bots on 2025-03-31 ({error}). The RTM program can stay as it is: make an app with "
    'Socket Mode for it and set relay = "rtm", by “Set up a bot…” in the menu or traymon setup --relay rtm.'
)
_DISABLED = mark(
    "Socket Mode is switched off for this app ({error}). Turn it on at api.slack.com/apps, then click Reconnect."
)
_NAMELESS = mark(
    "Slack's name cannot be looked up: the name server does not answer or does not know it. "
    "Check the network, the VPN and the DNS settings."
)
_EXHAUSTED = mark(
    "This machine lets traymon open no more files or connections{said}. Close programs that hold many, or raise the "
    "limit (ulimit -n)."
)
_BOT_TOKEN = mark(
    "Slack wants another kind of token here ({error}). Give traymon the one that it asks for: “Set up a bot…” in the "
    "menu, or traymon setup."
)
_DEFECT = mark(
    "Slack does not understand the request ({error}). Check “api_url”; else please report this as a defect."
)

# Slack's codes for "no, for good": Web API reference and shared notes on RTM's end.
_REFUSALS: Mapping[str, str] = {
    "not_allowed_token_type": _RTM_OVER_SOCKET_MODE,
    "rtm_connect_required": _RTM_OVER_SOCKET_MODE,
    "method_deprecated": _RTM_OVER_SOCKET_MODE,
    "deprecated_endpoint": _RTM_OVER_SOCKET_MODE,
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

# Where nobody wrote down why: the bot of 2016, or a log that was damaged.
_NO_CAUSE = "unknown"
_NO_CAUSE_SHORT = mark("the cause is not known")
_NO_CAUSE_SENTENCE = mark("The cause is not known{said}.")

_MOST_SAID = 120
"""Longest quotation of the other side in a sentence: a close reason has at most 123 bytes (RFC 6455)."""


def short_cause(cause: str) -> str:
    """A cause in at most 40 characters, for a menu or a tooltip. A name that is not known is shown as it is."""
    known = _NO_CAUSE_SHORT if cause == _NO_CAUSE else _SHORT.get(str(cause))
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
        host=quoted(facts.get("host")) or gettext("Slack"),
        said=_said(detail or facts.get("error") or facts.get("first_bytes")),
        code="" if close_code is None else gettext(" with code {code}").format(code=close_code),
        status=quoted(facts.get("http_status")),
        seen=_said(facts.get("first_bytes")),
        scheme=quoted(facts.get("proxy_wants")),
        silence=_silence(facts.get("silent_ms")),
        issuer=quoted(facts.get("issuer")),
        error=quoted(detail),
        name=quoted(cause),
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
    if facts.get("exhausted"):
        return _EXHAUSTED
    if cause == "dns" and not facts.get("host"):
        return _NAMELESS
    with_status = {"proxy": _PROXY_STATUS, "not_websocket": _HTTP_REFUSAL, "slack_error": _SLACK_STATUS}
    if status is not None and not detail and cause in with_status:
        return with_status[cause]
    return _NO_CAUSE_SENTENCE if cause == _NO_CAUSE else _SENTENCES.get(cause, "{name}{said}")


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


def quoted(value: object) -> str:
    """What the other side said, harmless and not too long for a sentence."""
    text = "" if value is None else printable(str(value))
    return text if len(text) <= _MOST_SAID else text[: _MOST_SAID - 1] + "…"


def _said(value: object) -> str:
    text = quoted(value).strip().rstrip(".")
    if not text:
        return ""
    # What traymon itself found is marked where it is found, and kept in English, as data are.
    return gettext(": “{text}”").format(text=gettext(text))


def _silence(silent_ms: object) -> str:
    if not isinstance(silent_ms, (int, float)):
        return ""
    return gettext(" for {duration}").format(duration=duration(int(silent_ms)))


_PROBES: Mapping[str, str] = {
    "probe_route": mark("route"),
    "probe_dns": mark("DNS"),
    "probe_proxy": mark("proxy"),
    "probe_tcp": mark("TCP"),
    "probe_tls": mark("TLS"),
}
# What a failed check means: by the check and its cause, else by the check.
_PROBE_FAILURES: Mapping[tuple[str, str], str] = {
    ("probe_tcp", "connect_refused"): mark("TCP to Slack is refused"),
    ("probe_tcp", "connect_timeout"): mark("TCP to Slack is not answered"),
    ("probe_tcp", "no_route"): mark("there is no route to Slack"),
    ("probe_tcp", "unreachable"): mark("Slack's address cannot be reached"),
    ("probe_tcp", "proxy"): mark("the proxy opens no way to Slack"),
    ("probe_tls", "reset"): mark("TLS to Slack is cut off"),
}
_PROBE_FAILS: Mapping[str, str] = {
    "probe_route": mark("this machine has no route"),
    "probe_dns": mark("Slack's name cannot be looked up"),
    "probe_proxy": mark("the proxy cannot be reached"),
    "probe_tcp": mark("TCP to Slack fails"),
    "probe_tls": mark("TLS to Slack fails"),
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
    return gettext("{names} and {last}").format(names=gettext(", ").join(names[:-1]), last=names[-1])
