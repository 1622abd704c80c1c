"""docs/rtm-over-socket-mode.md, drawn from the catalogue, the examples and what the translation makes of them.

``python -m tests.relay_translation_table > docs/rtm-over-socket-mode.md`` writes it anew.
"""

import json

from tests.relay_translation_examples import EXAMPLES, NO_COUNTERPART, Example, envelope
from traymon.relay.translation.catalogue import RTM_EVENTS, Source
from traymon.relay.translation.events import Carried, translate

_OPENED = frozenset({"channel", "subteam", "dnd_status", "file"})
"""Members whose own members are told one by one."""

_INSTEAD = {
    "channel_joined": "`member_joined_channel` with the bot's own user",
    "group_joined": "`member_joined_channel` with the bot's own user",
    "file_private": "not in Slack's documentation any more",
    "mpim_close": "not in Slack's documentation any more",
    "mpim_history_changed": "not in Slack's documentation any more",
    "mpim_joined": "not in Slack's documentation any more",
    "mpim_open": "not in Slack's documentation any more",
    "presence_change": "`users.getPresence`",
    "goodbye": "traymon lives through it; the program's connection stays",
    "hello": "traymon's own",
    "error": "traymon's own, when a program is cut off",
    "reconnect_url": "no client needs it",
    "team_migration_started": "traymon lives through it",
}

_PAGE = """\
# RTM for the program, Socket Mode towards Slack

A program that speaks RTM alone can live on a Socket Mode app: traymon holds the Socket Mode link and presents RTM to
the program. Set-up [does it](setup.md), or `relay = "rtm"` under a Socket Mode bot in the
[configuration](configuration.md); the program is [pointed at traymon](relay.md) by the same line as any of RTM. This
page tells what a program gets, what becomes of what it sends, and what is lost. It is drawn from the code:
`python -m tests.relay_translation_table > docs/rtm-over-socket-mode.md` draws it anew.

## Events

Slack sends only the events that the app subscribes to. One that RTM has too passes as it came, byte for byte, with
fields that RTM had not when the program was written: Slack adds such to RTM itself. It differs in these points:

- **Mentions.** Slack sends a mention as a message, as `app_mention`, or as both. The program gets one `message`. A
  mention that came by editing is a `message_changed`.
- **`message_replied`** gets back the `subtype` that Slack leaves out.
- **What the program sent itself** is no event for it: its reply tells of it, as in RTM. Other programs of the bot get
  it. Where the app's message comes as an event while a reply is due, the program's events wait for it, 2 s at most.
- **Misshapen events**, such as a `message` without a `channel`, reach no program: some crash of them. They are
  acknowledged and counted.
- **Types that RTM never had** reach no program of RTM either. A Socket Mode program of the same bot gets them; with
  none attached they are acknowledged and counted; `traymon status` shows the counts.

Slack is told that an event arrived when a program has taken it: the first of them, if several are attached. traymon
sends a WebSocket ping behind each event, and takes its pong for the proof: every client echoes it (RFC 6455). A program
that hangs loses its events, as in RTM, and holds up nobody else. With no program attached, or none that takes the
event within Slack's 3 s, it is not acknowledged: Slack sends it again at once, after one minute and after five, and a
program that is back by then gets it. What one program has taken is given to none again.

Events come in the order in which they reached traymon. While one link takes over from another, Slack spreads events
over both, and neighbours may change places; their `ts` tells.

Where a program of RTM is attached, events go there, and Socket Mode programs of the same bot get what is left: what
RTM has no counterpart for, buttons, modals and slash commands. For these, no Socket Mode program means no
acknowledgement, and whoever clicked sees that it failed.

## What a program sends

| it sends | what becomes of it | its reply |
|---|---|---|
| `message` | `chat.postMessage` with `channel`, `text`, `thread_ts`, `reply_broadcast`, `unfurl_links` (true where \
the program does not say, as in RTM) and `unfurl_media`. Anything else RTM did not take either. | `ok`, \
`reply_to`, `ts`, `text`; or `ok: false` with Slack's word for the error |
| `ping` | answered by traymon | `pong` with all its fields |
| `typing` | dropped: Socket Mode has no way for it | none, as in RTM |
| `presence_sub`, `presence_query` | dropped; `users.getPresence` tells the same | none, as in RTM |
| anything else | nothing | `ok: false` |

Messages to one channel keep their order: the next one goes up when Slack has answered the one before. Slack takes one a
second and channel, and short bursts; what is above waits, 60 messages at most, 20 of one program. When Slack says for
how long it takes no more, traymon waits that long. A message that could not go up within 30 s is answered with an error
(`slow down, too many messages...`), and never goes up. After a call that broke off, the error says that the message may
have been sent.

A message needs no link: while that is down, or the bot is paused, it goes up all the same, as any call of the Web API
does. When Slack refuses the bot's token for it, traymon says so, once on
standard error, and in the menu and `traymon status` for as long as it is so; the icon is then that of a bot nobody
answers for.

The message comes from the app's bot user; the app needs the scope `chat:write`, and must be in the channel.

## Every event of RTM that Slack sends through Socket Mode

*RTM in 2016* is what [Slack documented](https://github.com/slackhq/slack-api-docs) when the programs were written, *the
program gets* is an event as Slack documents it today ([reference](https://docs.slack.dev/reference/events),
[@slack/types](https://www.npmjs.com/package/@slack/types)), through traymon. `…` stands for an object whose fields were
not told one by one. Every event has its `type` besides.

| event | RTM in 2016 | the program gets | cannot be carried |
|---|---|---|---|
{carried}

## Events of RTM that Socket Mode does not have

| event | instead |
|---|---|
{absent}

## Events that RTM does not have

{unknown}; and whatever else Slack may come to send.
"""


def got(example: Example) -> dict[str, object]:
    """What the program gets."""
    carried = translate(json.dumps(json.loads(envelope(example.event))["payload"]).encode())
    assert isinstance(carried, Carried), example.name
    event = json.loads(carried.text)
    assert isinstance(event, dict)
    return event


def fields(event: dict[str, object]) -> list[str]:
    """The members but ``type``, those of some objects one by one."""
    found = []
    for key, value in event.items():
        if isinstance(value, dict) and key in _OPENED and value:
            found += [f"{key}.{each}" for each in value]
        elif key != "type":
            found.append(key)
    return found


def missing(example: Example) -> list[str]:
    """What RTM documented in 2016 and the program does not get. An object told as ``…`` is there if it is one with more
    than an id."""
    event = got(example)
    there = set(fields(event))
    return [each for each in example.rtm_2016 if each not in there and not _is_whole(event, each)]


def _is_whole(event: dict[str, object], field: str) -> bool:
    value = event.get(field.removesuffix(".…"))
    return field.endswith(".…") and isinstance(value, dict) and len(value) > 1


def _row(example: Example) -> str:
    lost = ", ".join(f"`{each}`" for each in missing(example))
    told = "; ".join(each for each in (lost, example.note) if each)
    then = _code(list(example.rtm_2016)) if example.rtm_2016 else "(younger)"
    return f"| `{example.name}` | {then} | {_code(fields(got(example)))} | {told or '–'} |"


def _code(names: list[str]) -> str:
    return " ".join(f"`{each}`" for each in names)


def page() -> str:
    """The whole page."""
    absent = [
        f"| `{name}` | {_INSTEAD.get(name, '–')} |"
        for name, event in RTM_EVENTS.items()
        if event.source is not Source.EVENTS_API
    ]
    return _PAGE.format(
        carried="\n".join(map(_row, sorted(EXAMPLES, key=lambda each: each.name))),
        absent="\n".join(absent),
        unknown=", ".join(f"`{each}`" for each in NO_COUNTERPART),
    )


if __name__ == "__main__":
    print(page(), end="")
