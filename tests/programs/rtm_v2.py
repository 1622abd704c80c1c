"""slack_sdk's RTM client."""

from typing import Any

from life import API_URL, BOT_TOKEN, answer_to, live
from slack_sdk.rtm_v2 import RTMClient

rtm = RTMClient(token=BOT_TOKEN, base_url=API_URL)


@rtm.on("message")
def heard(client: RTMClient, event: dict[str, Any]) -> None:
    if answer := answer_to(event.get("text")):
        client.web_client.chat_postMessage(channel=event["channel"], text=answer)


rtm.connect()
live()
