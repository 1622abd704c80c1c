"""slack_sdk's Socket Mode client on aiohttp."""

import asyncio
import threading
from typing import Any

from life import API_URL, APP_TOKEN, BOT_TOKEN, answer_to, live
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient


async def heard(client: Any, request: Any) -> None:
    if request.type == "slash_commands":
        body = {"text": f"did {request.payload['text']}"}
        await client.send_socket_mode_response(SocketModeResponse(request.envelope_id, body))
        return
    await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))
    event = request.payload["event"]
    if answer := answer_to(event.get("text")):
        await client.web_client.chat_postMessage(channel=event["channel"], text=answer)


async def main() -> None:
    web = AsyncWebClient(token=BOT_TOKEN, base_url=API_URL)
    socket = SocketModeClient(app_token=APP_TOKEN, web_client=web)
    socket.socket_mode_request_listeners.append(heard)
    await socket.connect()
    await asyncio.Event().wait()


# Ends the process when whoever started it is gone; the main thread runs the event loop.
threading.Thread(target=live, daemon=True).start()
asyncio.run(main())
