"""The 1006 table, met over real sockets in a private internet: each fault gets its true cause and sentence."""

import ast
import json
import re
from pathlib import Path

import pytest

from tests.privatenet import run_inside
from tests.privateslack import PASSWORD, TICKET
from tests.table_1006 import ROWS, TOKEN, WAYS, page
from traymon import words

ROOT = Path(__file__).parent.parent
MADE = [row for row in ROWS if row.fault is not None]


@pytest.fixture(scope="module")
def output():
    return run_inside("tests.table_1006")


@pytest.fixture(scope="module")
def met(output):
    return json.loads(output)


@pytest.mark.parametrize("row", MADE, ids=lambda row: row.id)
def test_it_is_named_truly(met, row):
    failure, facts = met[row.id]["failure"], met[row.id]["facts"]
    assert failure is not None, "the link came up"
    assert (failure["cause"], failure["phase"]) == (row.cause, row.phase)
    assert (failure["detail"], failure["close_code"]) == (row.detail, row.close_code)
    assert failure["reached_slack"] is row.reached
    evidence = {**failure["evidence"], **facts}
    assert row.evidence.items() <= evidence.items()
    sentence = words.cause(
        failure["cause"], detail=failure["detail"], close_code=failure["close_code"], evidence=evidence
    )
    assert sentence == row.sentence
    assert words.probes(evidence) == row.probes


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.id)
def test_both_legs_obey(met, way):
    assert met[way.id]["failure"] is None
    assert met[way.id]["proxy_saw"] == list(way.through)
    proxy = "proxy" if way.through else "DNS"
    assert words.probes(met[way.id]["facts"]) == f"route, {proxy}, TCP and TLS to Slack fine"


def test_no_secret_is_in_what_was_found(output):
    for secret in (TOKEN, TICKET, PASSWORD):
        assert secret not in output


def test_each_situation_of_the_w3cs_is_there():
    numbers = {match[1] for row in ROWS if (match := re.match(r"(\d)\. ", row.situation))}
    assert numbers == set("1234567")
    assert len({item.id for item in (*ROWS, *WAYS)}) == len(ROWS) + len(WAYS)


@pytest.mark.parametrize("row", [row for row in ROWS if row.elsewhere], ids=lambda row: row.id)
def test_what_is_made_elsewhere_is(row):
    file, _, test = row.elsewhere.partition("::")
    name, _, parameter = test.rstrip("]").partition("[")
    text = (ROOT / file).read_text(encoding="utf-8")
    assert name in {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
    assert not parameter or f'"{parameter}"' in text


def test_the_page_says_what_the_table_says():
    path = ROOT / "docs" / "causes.md"
    assert path.read_text(encoding="utf-8") == page(), (
        "run: python -m tests.table_1006 --docs > docs/causes.md"
    )
