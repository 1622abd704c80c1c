"""A client of the simulator's that is not traymon's: urllib and websocket-client, for its own tests."""

import json
import urllib.parse
import urllib.request
from typing import Any

import websocket

from traymon.simulator import LinkRecord, Simulator

TOKEN = "xoxb-simulated"
OTHER = "xoxb-other"
APP_TOKEN = "xapp-simulated"
PATIENCE_S = 60.0


def request(slack: Simulator, method: str, token: str | None = TOKEN, **form: str) -> urllib.request.Request:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = urllib.parse.urlencode(form).encode()
    return urllib.request.Request(slack.api_url + method, data=body, headers=headers)


def call(slack: Simulator, method: str, token: str | None = TOKEN, **form: str) -> dict[str, Any]:
    with urllib.request.urlopen(request(slack, method, token, **form), timeout=PATIENCE_S) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        answer: dict[str, Any] = json.load(response)
        return answer


def connect(
    slack: Simulator, method: str = "rtm.connect", token: str = TOKEN, **options: Any
) -> websocket.WebSocket:
    url = call(slack, method, token)["url"]
    return websocket.create_connection(url, timeout=PATIENCE_S, **options)


def online(slack: Simulator, token: str = TOKEN) -> websocket.WebSocket:
    link = connect(slack, token=token)
    assert json.loads(link.recv()) == {"type": "hello"}
    return link


def ping(link: websocket.WebSocket, number: int) -> dict[str, Any]:
    link.send(json.dumps({"id": number, "type": "ping", "time": 1234}))
    answer: dict[str, Any] = json.loads(link.recv())
    return answer


def last_link(slack: Simulator) -> LinkRecord:
    """The newest link, once it is over and gone."""
    assert slack.wait(lambda: slack.truth().links and slack.truth().links[-1].gone_at is not None, PATIENCE_S)
    return slack.truth().links[-1]
