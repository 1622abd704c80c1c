"""The catalogues: nothing that the code says is missing in them, nothing else is in them, and all is said by them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import click
import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir

from tests import catalogue

LANGUAGES = catalogue.languages()
CALLS = frozenset(catalogue.KEYWORDS)


@pytest.fixture(scope="module")
def code() -> Catalog:
    return catalogue.extracted()


def ids(catalog: Catalog) -> set[str | tuple[str, ...]]:
    return {message.id for message in catalogue.messages(catalog)}


def test_there_is_japanese():
    assert "ja" in LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_translated_and_none_is_left_over(code, language):
    known = catalogue.read(catalogue.path_of(language), language)
    assert ids(code) - ids(known) == set(), "not in the catalogue: make words"
    assert ids(known) - ids(code) == set(), "in the catalogue, but not in the code: make words"
    assert not known.obsolete, "obsolete: make words"
    untranslated = [each.id for each in catalogue.messages(known) if not all(catalogue.strings(each))]
    assert untranslated == []
    assert [each.id for each in catalogue.messages(known) if each.fuzzy] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_as_make_words_writes_it(language):
    for domain in ("traymon", "click"):
        path = catalogue.path_of(language, domain)
        text = path.read_text(encoding="utf-8")
        assert catalogue.written(catalogue.read(path, language)) == text
        assert not re.search(r"^#:.*:\d", text, re.MULTILINE), "line numbers change with every edit"


def translated() -> Iterator[object]:
    for language in LANGUAGES:
        for domain in ("traymon", "click"):
            known = catalogue.read(catalogue.path_of(language, domain), language)
            yield pytest.param(list(catalogue.messages(known)), id=f"{language}-{domain}")


@pytest.mark.parametrize("messages", list(translated()))
def test_a_translation_has_the_placeholders_of_its_message(messages):
    wrong = [each.id for each in messages if not _placeholders_fit(each)]
    assert wrong == []


def _placeholders_fit(message: Message) -> bool:
    forms = (message.id,) if isinstance(message.id, str) else message.id
    # One form may leave out the number ("one day").
    wanted = [placeholders(form) for form in forms]
    return all(placeholders(text) in wanted for text in catalogue.strings(message) if text)


def placeholders(text: str) -> set[str]:
    """The names in ``{…}`` and ``%(…)s``. Raises ValueError for braces that do not fit."""
    named = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
    return named | set(re.findall(r"%\((\w+)\)", text))


def test_the_check_of_placeholders_finds_what_it_looks_for():
    assert placeholders("{a} {b:02} {c!r} %(d)s {{e}}") == {"a", "b", "c", "d"}
    with pytest.raises(ValueError, match="expected '}'"):
        placeholders("{a")
    assert not _placeholders_fit(Message("{bot}: {state}", "{bot}"))
    assert _placeholders_fit(Message(("one day", "{n} days"), ("{n}日",)))


@pytest.mark.parametrize("messages", list(translated()))
def test_a_translation_stands_alone(messages):
    """As its message does: no space at an end where that has none, the same lines, no half-width Japanese."""
    for message in messages:
        first = message.id if isinstance(message.id, str) else message.id[0]
        for text in catalogue.strings(message):
            assert text.endswith("\n") == first.endswith("\n")
            assert text.count("\n") == first.count("\n"), text
            assert text == text.strip(" ") or first != first.strip(" "), text
            assert not re.search("[｡-ﾟ]", text), text


JAPANESE = [
    (r"[ぁ-んァ-ヶ一-龠々][,.!?;]", "punctuation of its own: 、。"),
    (r"[、。（）「」] |(?<![:：]) [、。（）「」]", "no space beside wide punctuation"),
    (r"[“”]", "quotation marks: 「」"),
    (r"[ぁ-んァ-ヶ一-龠]\(|\)[ぁ-んァ-ヶ一-龠]", "wide brackets beside Japanese"),
    (
        r"サーバ(?!ー)|ユーザ(?!ー)|フォルダ(?!ー)|ブラウザ(?!ー)|メモリ(?!ー)|エラ(?!ー)",
        "the long vowel is written",
    ),
    (r"[Ａ-Ｚａ-ｚ０-９]", "Latin letters and digits are narrow"),
    (r"ください。?ます|でした。です", "a slip"),
]


@pytest.mark.parametrize(("pattern", "rule"), JAPANESE)
def test_japanese_is_written_by_its_rules(pattern, rule):
    known = catalogue.read(catalogue.path_of("ja"), "ja")
    wrong = [
        text
        for each in catalogue.messages(known)
        for text in catalogue.strings(each)
        if re.search(pattern, text)
    ]
    assert wrong == [], rule


def test_what_click_says_is_what_click_says():
    """Its messages differ between versions; most of the catalogue must fit the one that is installed."""
    found = extract_from_dir(
        Path(click.__file__).parent, [("**.py", "python")], keywords={"_": None, "ngettext": (1, 2)}
    )
    says = {message for _, _, message, _, _ in found}
    known = ids(catalogue.read(catalogue.path_of("ja", "click"), "ja"))
    assert len(known & says) > 0.8 * len(known)
    assert {"Usage:", "Options", "Commands", "Show this message and exit."} <= known & says


# The code


def test_only_whole_messages_are_translated():
    """What is put together before it is looked up is never found, and no tool sees it."""
    wrong = [
        f"{path}:{call.lineno}" for path in catalogue.sources() for call in calls(path) if not is_whole(call)
    ]
    assert wrong == []


def calls(path: Path) -> Iterator[ast.Call]:
    if path.suffix != ".py" or path.match("traymon/words/language.py"):
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and name_of(node.func) in CALLS:
            yield node


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def is_whole(call: ast.Call) -> bool:
    if not call.args:
        return True  # `gettext()` of a class's own
    messages = call.args[:2] if name_of(call.func) == "ngettext" else call.args[:1]
    literal = all(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in messages)
    if literal:
        return all("{}" not in str(each.value) for each in messages if isinstance(each, ast.Constant))
    # Looked up in a table of marked messages, whatever way: but never made.
    made = (ast.JoinedStr, ast.BinOp)
    return name_of(call.func) == "gettext" and not any(
        isinstance(part, made)
        or (isinstance(part, ast.Call) and name_of(part.func) in {"format", "join", "replace"})
        for part in ast.walk(messages[0])
    )


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ('words.gettext("a" "b")', True),
        ("gettext(TABLE[name])", True),
        ("gettext(known or TABLE.get(name))", True),
        ('gettext(f"a {b}")', False),
        ('gettext("a" + b)', False),
        ('gettext("a {b}".format(b=b))', False),
        ('gettext("a %s" % b)', False),
        ('gettext("a {} b")', False),
        ("mark(name)", False),
        ("ngettext(one, many, n)", False),
        ('ngettext("one", "{n} days", n)', True),
    ],
)
def test_the_check_of_whole_messages_finds_what_it_looks_for(text, whole):
    assert is_whole(ast.parse(text, mode="eval").body) == whole
