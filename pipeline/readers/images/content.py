"""Images inside one large file: where they lie, and their bytes."""

import io
from collections.abc import Mapping
from pathlib import Path

Places = Mapping[str, tuple[int, int]] | None  # (start, bytes) of each image by name; None: each is a file of its own


def content_of(folder: Path, name: str, places: Places) -> io.BytesIO | None:
    """Return the bytes of an image inside the file `folder`; None if the image is a file of its own."""
    if places is None:
        return None
    start, size_bytes = places[name]
    with folder.open("rb") as file:
        file.seek(start)
        return io.BytesIO(file.read(size_bytes))
