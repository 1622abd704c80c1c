"""slack_bolt for Python."""

from typing import Any

from life import API_URL, APP_TOKEN, BOT_TOKEN, answer_to, live
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk.web import WebClient

app = App(client=WebClient(token=BOT_TOKEN, base_url=API_URL))


@app.event("message")
def heard(event: dict[str, Any], say: Any) -> None:
    if answer := answer_to(event.get("text")):
        say(answer)


@app.command("/do")
def do(ack: Any, command: dict[str, Any]) -> None:
    ack(f"did {command['text']}")


SocketModeHandler(app, APP_TOKEN).connect()
live()
