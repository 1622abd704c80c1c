"""slack_sdk's RTM client. It answers through its WebClient, or, told "talk", over RTM, and prints what it gets."""

import sys
from typing import Any

from life import API_URL, BOT_TOKEN, answer_to, live
from slack_sdk.rtm_v2 import RTMClient

talks = sys.argv[1:] == ["talk"]
rtm = RTMClient(token=BOT_TOKEN, base_url=API_URL, on_message_listeners=[print] if talks else [])


@rtm.on("message")
def heard(client: RTMClient, event: dict[str, Any]) -> None:
    answer = answer_to(event.get("text"))
    if answer and talks:
        number = 100 + int(answer.split()[1])
        client.send({"id": number, "type": "message", "channel": event["channel"], "text": answer})
    elif answer:
        client.web_client.chat_postMessage(channel=event["channel"], text=answer)


rtm.connect()
live()
