"""What the programs in Python share."""

import os
import re
import sys

API_URL = os.environ["SLACK_API_URL"]
BOT_TOKEN = os.environ["SLACK_BOT_TOKEN"]
APP_TOKEN = os.environ.get("SLACK_APP_TOKEN", "")


def answer_to(text: str | None) -> str | None:
    """What every program here does: to "hello N" it says "answer N"."""
    heard = re.fullmatch(r"hello (\d+)", text or "")
    return f"answer {heard[1]}" if heard else None


def live() -> None:
    """Live as long as whoever started this holds standard input open; the clients' own threads need not agree."""
    sys.stdin.read()
    os._exit(0)
