"""What a Web API error code means for someone who wants to stay connected.

Source: the "Errors" tables of ``rtm.connect``, ``apps.connections.open`` and ``auth.test`` in Slack's method
reference. A code that stands in no table is taken for temporary: to go on trying costs a call now and then, to
give up wrongly costs the bot.
"""

from enum import StrEnum


class Verdict(StrEnum):
    """What to do after an error code."""

    REFUSED = "refused"
    """For good: only a person can help (the token, its scopes, the app's settings)."""
    REFUSED_MAYBE = "refused_maybe"
    """Refused, but the same code is also given to a disallowed network: one quiet try each 15 minutes."""
    RATE_LIMITED = "rate_limited"
    """Asked too often: not again before ``Retry-After``."""
    TEMPORARY = "temporary"
    """Try again as after any other failure."""


_REFUSED = frozenset(
    {
        "access_denied",
        "account_inactive",
        "deprecated_endpoint",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "forbidden_team",
        "insecure_request",
        "is_bot",
        "legacy_custom_bots_deprecated",
        "method_deprecated",
        "missing_args",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "rtm_connect_required",
        "team_disabled",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
        "unknown_method",
        "user_removed_from_team",
    }
)
# An address outside the workspace's allow list gets these two with a perfectly good token.
_REFUSED_MAYBE = frozenset({"accesslimited", "invalid_auth"})
# Most methods say `ratelimited`; chat.postMessage and a few older ones say `rate_limited`.
_RATE_LIMITED = frozenset({"rate_limited", "ratelimited"})
# invalid_arguments, invalid_arg_name, invalid_charset, invalid_form_data, invalid_post_type …: a call that Slack
# cannot read is as wrong the next time.
_BAD_CALL = "invalid_"


def verdict(error: str) -> Verdict:
    """The meaning of the ``error`` of an answer with ``"ok": false``; never raises."""
    if error in _REFUSED_MAYBE:
        return Verdict.REFUSED_MAYBE
    if error in _RATE_LIMITED:
        return Verdict.RATE_LIMITED
    if error in _REFUSED or error.startswith(_BAD_CALL):
        return Verdict.REFUSED
    return Verdict.TEMPORARY
