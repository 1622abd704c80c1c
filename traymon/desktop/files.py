"""Files that are put in place whole: whoever reads meanwhile, and after a crash, gets the old one or the new one."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def replace(path: Path, data: bytes, *, durable: bool = False, mode: int = 0o600) -> None:
    """Put ``data`` in place of the file, for this user only unless ``mode`` says otherwise. Raises OSError.

    ``durable``: it is on the disk when this returns. The folder is made where it is missing, for this user only.
    """
    with draft(path, data, durable=durable) as made:
        if mode != 0o600:
            made.chmod(mode)
        made.replace(path)


@contextlib.contextmanager
def draft(path: Path, data: bytes, *, durable: bool = False) -> Iterator[Path]:
    """A file with ``data`` beside ``path``, which is gone after the block, unless it was moved. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp makes it 0600.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    made = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        yield made
    finally:
        with contextlib.suppress(OSError):
            made.unlink()
