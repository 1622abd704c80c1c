"""slack_sdk's Socket Mode clients with threads: ``builtin`` or ``websocket_client``, as told on the command line."""

import importlib
import sys
from typing import Any

from life import API_URL, APP_TOKEN, BOT_TOKEN, answer_to, live
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web import WebClient

SocketModeClient = importlib.import_module(f"slack_sdk.socket_mode.{sys.argv[1]}").SocketModeClient


def heard(client: Any, request: Any) -> None:
    if request.type == "slash_commands":
        body = {"text": f"did {request.payload['text']}"}
        client.send_socket_mode_response(SocketModeResponse(request.envelope_id, body))
        return
    client.send_socket_mode_response(SocketModeResponse(request.envelope_id))
    event = request.payload["event"]
    if answer := answer_to(event.get("text")):
        client.web_client.chat_postMessage(channel=event["channel"], text=answer)


socket = SocketModeClient(app_token=APP_TOKEN, web_client=WebClient(token=BOT_TOKEN, base_url=API_URL))
socket.socket_mode_request_listeners.append(heard)
socket.connect()
live()
