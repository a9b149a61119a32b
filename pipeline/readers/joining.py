"""The join of images with the rows of a label file: what matches, what lacks an image, what lacks a row."""

from dataclasses import dataclass

import numpy as np

from pipeline.config.errors import quote
from pipeline.readers.id_spellings import Match, match_ids, match_most

MOST_MISSING_SHARE = 0.05


@dataclass(frozen=True)
class Join:
    """The images (k,) that have a row, and their rows (k,), in the order of the images."""

    images: np.ndarray
    rows: np.ndarray
    spelling: Match
    complaint: str  # one sentence about images and rows that are left out, or nothing


def join_rows(image_ids: np.ndarray, row_ids: np.ndarray, skip: bool, others: int = 0, shared: bool = False) -> Join:
    """Return the join of images (n,) and rows (m,) by their ids.

    Args:
        image_ids: of the images.
        row_ids: of the rows; all differ.
        skip: whether any number of them may lack the other.
        others: how many of the images need no row, as they belong to the other split.
        shared: whether several images may have one id, and so share a row.

    Raises:
        ValueError: an id occurs twice, nothing matches, or more than MOST_MISSING_SHARE lacks an image or a row.
    """
    keys, key_of_image = (
        (np.unique(image_ids, return_inverse=True)) if shared else (image_ids, np.arange(len(image_ids)))
    )
    match = match_most(row_ids, keys)
    row_of_key = np.full(len(keys), -1)
    row_of_key[match.rows[match.rows >= 0]] = np.flatnonzero(match.rows >= 0)
    rows = row_of_key[key_of_image]
    images = np.flatnonzero(rows >= 0)
    lacking_image, lacking_row = np.flatnonzero(match.rows < 0), np.flatnonzero(rows < 0)
    extra = max(0, len(lacking_row) - others)
    share = max(len(lacking_image) / len(row_ids), extra / len(image_ids))
    if not len(images) or (share > MOST_MISSING_SHARE and not skip):
        match_ids(keys, row_ids)  # raises, with an example of each side and counts of all spellings
    complaint = _complaint(row_ids[lacking_image], image_ids[lacking_row], extra)
    return Join(images, rows[images], match, complaint)


def _complaint(rows: np.ndarray, images: np.ndarray, extra: int) -> str:
    parts = []
    if len(rows):
        parts.append(f"{len(rows)} rows without an image, for example id {quote(str(rows[0]))}")
    if extra:
        example = f", for example {quote(str(images[0]))}" if len(images) == extra else ", beside the test images"
        parts.append(f"{extra} images without a row{example}")
    return f"left out {' and '.join(parts)}" if parts else ""
