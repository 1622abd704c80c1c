"""traymon.slackwire.codes: which codes end the loop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traymon.slackwire.codes import Verdict, verdict

# Written out anew from Slack's method pages, so that a slip in the module's table shows.
FOR_GOOD = [
    "not_authed",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "user_removed_from_team",
    "team_disabled",
    "not_allowed_token_type",
    "missing_scope",
    "no_permission",
    "is_bot",
    "access_denied",
    "enterprise_is_restricted",
    "ekm_access_denied",
    "two_factor_setup_required",
    "method_deprecated",
    "rtm_connect_required",
    "legacy_custom_bots_deprecated",
    "deprecated_endpoint",
    "unknown_method",
    "forbidden_team",
    "missing_args",
    "insecure_request",
    "invalid_arguments",
    "invalid_arg_name",
    "invalid_array_arg",
    "invalid_charset",
    "invalid_form_data",
    "invalid_post_type",
]
TEMPORARY = [
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "migration_in_progress",
    "team_added_to_org",
    "org_login_required",
    "a_code_of_the_future",
]


@pytest.mark.parametrize("code", FOR_GOOD)
def test_codes_that_only_a_person_can_mend(code: str) -> None:
    assert verdict(code) is Verdict.REFUSED


@pytest.mark.parametrize("code", ["invalid_auth", "accesslimited"])
def test_codes_that_a_disallowed_network_gets_too(code: str) -> None:
    assert verdict(code) is Verdict.REFUSED_MAYBE


@pytest.mark.parametrize("code", ["ratelimited", "rate_limited"])
def test_rate_limits(code: str) -> None:
    assert verdict(code) is Verdict.RATE_LIMITED


@pytest.mark.parametrize("code", [*TEMPORARY, "", "INVALID_AUTH", "not_invalid_at_all"])
def test_everything_else_is_tried_again(code: str) -> None:
    assert verdict(code) is Verdict.TEMPORARY


@given(st.text().filter(lambda code: not code.startswith("invalid_")))
def test_an_unknown_code_never_ends_the_loop(code: str) -> None:
    known = {*FOR_GOOD, "accesslimited", "ratelimited", "rate_limited"}
    assert code in known or verdict(code) is Verdict.TEMPORARY
