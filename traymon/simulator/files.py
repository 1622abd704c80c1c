"""Files: uploaded to an address of their own, downloaded with the token, both outside the Web API, as Slack does."""

from collections.abc import Callable
from dataclasses import dataclass, field

from traymon.simulator.bots import Bot

_KEPT = 1_000


@dataclass(slots=True)
class StoredFile:
    """One file; of ``content`` no more than the first 1 MB is kept."""

    file_id: str
    name: str
    length: int
    """As the client told it before the upload."""
    bot: Bot
    ticket: str = field(repr=False)
    content: bytes = field(default=b"", repr=False)
    size: int | None = None
    """Bytes of the upload, a form's own included; ``None`` before it."""
    completed: bool = False

    @property
    def path(self) -> str:
        """Where it is downloaded: ``url_private`` without the host."""
        return f"/files-pri/{self.bot.team_id}-{self.file_id}/{self.name}"


class Files:
    """The newest thousand. Belongs to the loop. ``draw`` makes a random text."""

    def __init__(self, draw: Callable[[], str]) -> None:
        self._draw = draw
        self._files: dict[str, StoredFile] = {}
        self._count = 0

    def create(self, bot: Bot, name: str, length: int) -> StoredFile:
        """Make room for a file that is to be uploaded."""
        self._count += 1
        while len(self._files) >= _KEPT:
            del self._files[next(iter(self._files))]
        file = StoredFile(f"F{self._count:09d}", name, length, bot, self._draw())
        self._files[file.file_id] = file
        return file

    def find(self, file_id: str) -> StoredFile | None:
        """The file of that id."""
        return self._files.get(file_id)

    def take_in(self, ticket: str, content: bytes, size: int) -> StoredFile | None:
        """An upload to the address with ``ticket``; ``None`` when there is no such address."""
        file = next((f for f in self._files.values() if f.ticket == ticket), None)
        if file is not None:
            file.content, file.size = content, size
        return file
