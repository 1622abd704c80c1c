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


# English that went past gettext: strings of three words and more. What is no sentence for people is told by its place.

CODE_AND_MARKUP = re.compile(r"\b(SELECT|INSERT|CREATE|UPDATE|default-src)\b|^id, bot, |\\[(d]")
EXEMPT: dict[str, str] = {
    # Names of causes and the like, which are data, and what is kept in the log as evidence: whoever reads it may
    # speak another language than the traymon that wrote it. What people are to act on is marked, see words.cause.
    "slack/": "evidence",
    "sessionlog/schema.py": "evidence in the sentence on a damaged or foreign file",
    "sessionlog/textlog.py": "the text of an OSError",
    "desktop/watch/": "the text of an OSError of a system that lacks something; what follows is said elsewhere",
    "tray/sni_objects.py": "an error of the protocol, for the panel",
    # What programs get in Slack's place, in the language that Slack answers in.
    "relay/core/": "error replies",
    "relay/translation/": "error replies",
    # Lines of code for each library, and its versions.
    "relay/libraries.py": "code",
    # For the project's own issues, which are written in English.
    "doctor/diagnostics.py": "a report of a defect",
    # What Botkit printed in 2016, word for word.
    "cli/replay/facts.py": "a quotation",
    # An exact error of tomllib's, looked for.
    "config.py": "Cannot overwrite a value",
    # Names of threads, as debuggers show them.
    "tray/choose.py": "names of threads",
}
# What goes over the wire to programs, from files that also have sentences for people.
TO_PROGRAMS = frozenset(
    {
        "traymon: only for programs on this machine, at 127.0.0.1",
        "too slow: it did not read what Slack sent",
        "silent: it answered no ping for a minute",
        "traymon ends; come back",
    }
)
FOR_PROGRAMMERS = frozenset(
    {"AssertionError", "TypeError", "ValueError", "RuntimeError", "KeyError", "LookupError"}
)
# The program's own log, for reports of defects: English, as the tracebacks beside it.
LOGGING = frozenset({"debug", "info", "warning", "error", "exception"})
SENTENCE = re.compile(r"[A-Za-z’'“”]{2,},?( [a-z0-9“”’'{(][\w“”’'{}()/-]*[,.:;]?){2,}")


def test_no_english_goes_past_gettext():
    found = [
        f"{name}:{line}: {text}"
        for path in catalogue.sources()
        if path.suffix == ".py"
        and not (name := path.relative_to(catalogue.ROOT / "traymon").as_posix()).startswith(
            ("keeper/core/", "slackwire/", "simulator/", *EXEMPT)
        )
        for line, text in english(
            ast.parse(path.read_text(encoding="utf-8")), is_command=name.startswith("cli/")
        )
    ]
    assert found == []


def english(tree: ast.Module, *, is_command: bool = False) -> list[tuple[int, str]]:
    """Line and text of every string that looks like a sentence for people and is not translated."""
    apart = set(_apart(tree, is_command=is_command))
    return [
        (getattr(node, "lineno", 0), text)
        for node in ast.walk(tree)
        if id(node) not in apart
        and (text := _text_of(node)) is not None
        and SENTENCE.search(text)
        and not CODE_AND_MARKUP.search(text)
        and text.strip() not in TO_PROGRAMS
    ]


def _text_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _apart(tree: ast.AST, *, is_command: bool) -> Iterator[int]:
    """The nodes that are translated, or that no person reads."""
    for node in ast.walk(tree):
        below: list[ast.AST] = []
        if isinstance(node, ast.Call):
            if name_of(node.func) in CALLS | FOR_PROGRAMMERS | LOGGING:
                below = list(node.args)
            if is_command:  # translated when shown: see tests/catalogue.py
                below += [
                    each.value for each in node.keywords if each.arg in {"help", "short_help", "epilog"}
                ]
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            below = [node.value]  # a docstring
        elif isinstance(node, ast.Assert) and node.msg is not None:
            below = [node.msg]
        elif isinstance(node, ast.JoinedStr):
            below = list(node.values)  # seen as a whole
        for each in below:
            yield from (id(part) for part in ast.walk(each))


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('raise ConfigError(f"{setting} must be text in quotes.")', True),
        ('click.echo("The bot is online.")', True),
        ('x = {"a": "no answer in time"}', True),
        ('click.echo(words.gettext("The bot is online."))', False),
        ('"""The bot is online."""', False),
        ('_log.warning("the bot is odd: %s", x)', False),
        ('raise ValueError("must be one or two")', False),
        ('x = "SELECT a, b from there"', False),
        ('x = "two words"', False),
        ('option(help="The bot is online.")', True),
    ],
)
def test_the_search_for_english_finds_what_it_looks_for(code, found):
    assert bool(english(ast.parse(code))) == found


def test_the_places_that_are_exempt_exist():
    for name in EXEMPT:
        assert (catalogue.ROOT / "traymon" / name).exists(), name


def test_help_texts_are_among_the_messages(code):
    assert {
        "Show what traymon does, against a built-in stand-in for Slack: no account, nothing of yours is touched.",
        "Say more on standard error; never a token.",
        "Without a command, traymon runs. Exit codes: 0 fine, 1 not so, 2 wrong usage, 3 not running.",
    } <= ids(code)
