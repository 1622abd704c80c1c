"""A failure for someone who asks what to do about it: the sentence of the cause, and the advice where it has none."""

from collections.abc import Mapping

from traymon import words
from traymon.keeper.core.causes import Cause, Fact, Failure

# Causes whose sentences do not say what to do: something on the way, or something that passes.
_ON_THE_WAY = frozenset(
    {Cause.CONNECT_REFUSED, Cause.CONNECT_TIMEOUT, Cause.UNREACHABLE, Cause.NOT_WEBSOCKET}
)
_PASSING = frozenset(
    {
        Cause.API_TIMEOUT,
        Cause.HANDSHAKE_TIMEOUT,
        Cause.HELLO_TIMEOUT,
        Cause.URL_EXPIRED,
        Cause.ABRUPT_CLOSE,
        Cause.RESET,
        Cause.KEEPALIVE_TIMEOUT,
        Cause.CLOSED_BY_SLACK,
        Cause.PROTOCOL_ERROR,
        Cause.RATE_LIMITED,
        Cause.SLACK_ERROR,
    }
)


def advice(failure: Failure, evidence: Mapping[str, Fact] | None = None) -> str:
    """What happened and what to do. ``evidence`` is known besides the failure's own."""
    facts = {**(evidence or {}), **failure.evidence}
    sentence = words.cause(
        failure.cause.value, detail=failure.detail, close_code=failure.close_code, evidence=facts
    )
    more = _more(failure.cause, facts)
    return words.gettext("{sentence} {more}").format(sentence=sentence, more=more) if more else sentence


def _more(cause: Cause, facts: Mapping[str, Fact]) -> str:
    filtered = cause is Cause.TLS and (facts.get("first_bytes") or facts.get("answered") is False)
    if filtered or cause in _ON_THE_WAY:
        return words.gettext(
            "Check the firewall, the VPN and “api_url”, and whether this network wants a proxy."
        )
    if cause in _PASSING:
        return words.gettext(
            "Try again in a minute; if it stays so, see slack-status.com, and ask whether a firewall inspects this "
            "traffic."
        )
    return ""
