"""Near-copies: images that differ only by compression, brightness, noise, a small shift, rotation or crop.

A perceptual hash (phash of the library imagehash) is the filter. Then the pixels decide: small grey versions of two
images, shifted to fit best, must correlate. The correlation must also be far above that of random pairs of the same
images, because silhouettes and X-rays of different objects correlate too.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import imagehash
import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

SIDE_PIXELS = 32  # of the small versions
HASH_BITS = 20  # largest distance of two hashes of 64 bits
LEAST_CORRELATION = 0.9
LEAST_DEVIATIONS = 4  # standard deviations above random pairs, after Fisher's transformation
MOST_CANDIDATES = 16  # for one image: those with the nearest hashes
_SHIFT_PIXELS = 3
_BLUR_PIXELS = 1.2
_BLOCK_DISTANCES = 1 << 22
_BLOCK_PAIRS = 4096
_RANDOM_PAIRS = 1024


@dataclass(frozen=True)
class Fingerprints:
    """What is compared of n images."""

    hashes: np.ndarray  # (n,) uint64
    thumbnails: np.ndarray  # (n, SIDE_PIXELS, SIDE_PIXELS) uint8, grey, slightly blurred, of full contrast

    def take(self, rows: np.ndarray) -> "Fingerprints":
        """Return the fingerprints of these rows (k,), in their order."""
        return Fingerprints(self.hashes[rows], self.thumbnails[rows])


def fingerprints(parts: Iterable[np.ndarray]) -> Fingerprints:
    """Return the fingerprints of the rows of `parts`, consecutive arrays (rows, height, width, channels)."""
    hashes, thumbnails = [np.empty((0, 8), np.uint8)], [np.empty((0, SIDE_PIXELS, SIDE_PIXELS), np.uint8)]
    for part in parts:
        small = [_small_grey(image) for image in part]
        hashes.append(np.array([np.packbits(imagehash.phash(picture).hash) for picture in small]))
        blurred = gaussian_filter(np.array(small, np.float32), (0, _BLUR_PIXELS, _BLUR_PIXELS))
        thumbnails.append(np.array([_full_contrast(picture) for picture in blurred]))
    return Fingerprints(np.concatenate(hashes).view(np.uint64)[:, 0], np.concatenate(thumbnails))


def least_correlation(sample: Fingerprints, seed: int = 0) -> float:
    """Return the correlation from which two images of a data set are near-copies, from random pairs of them."""
    rows = np.random.default_rng(seed).integers(0, len(sample.hashes), (2, _RANDOM_PAIRS))
    rows = rows[:, rows[0] != rows[1]]
    if not rows.size:
        return LEAST_CORRELATION
    scores = np.arctanh(np.clip(_correlations(sample.thumbnails[rows[0]], sample.thumbnails[rows[1]]), -0.999, 0.999))
    median = np.median(scores)
    deviation = 1.4826 * np.median(np.abs(scores - median))  # robust, as some of the pairs may be near-copies
    return float(max(LEAST_CORRELATION, np.tanh(median + LEAST_DEVIATIONS * deviation)))


def near_copy_groups(images: Fingerprints, least: float) -> np.ndarray:
    """Return, for every row (n,) int64, the first row of its group.

    The first row is the group's leader. Every other row is a near-copy of the leader itself: no chain of pairs joins
    images that differ. A row with several leaders goes to the one with the highest correlation.
    """
    leaders, leader_of_row = np.empty(0, np.int64), np.arange(len(images.hashes))
    step = max(1, min(256, _BLOCK_DISTANCES // max(1, len(images.hashes))))
    for start in range(0, len(images.hashes), step):
        block = np.arange(start, min(start + step, len(images.hashes)))
        earlier = np.concatenate([leaders, block])
        rows, others, correlations = near_copies(images.take(block), images.take(earlier), least)
        rows, others = block[rows], earlier[others]
        is_earlier = others < rows
        pairs = np.lexsort((-correlations[is_earlier], rows[is_earlier]))
        for row, other in zip(rows[is_earlier][pairs].tolist(), others[is_earlier][pairs].tolist(), strict=True):
            if leader_of_row[row] == row and leader_of_row[other] == other:
                leader_of_row[row] = other
        leaders = np.concatenate([leaders, block[leader_of_row[block] == block]])
    return leader_of_row


def near_copies(images: Fingerprints, others: Fingerprints, least: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs of near-copies: rows (k,) of `images`, rows (k,) of `others`, and correlations (k,)."""
    pairs: list[tuple[np.ndarray, ...]] = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for rows, columns in _candidates(images.hashes, others.hashes):
        correlations = _correlations(images.thumbnails[rows], others.thumbnails[columns])
        is_copy = correlations >= least
        pairs.append((rows[is_copy], columns[is_copy], correlations[is_copy]))
    rows, columns, correlations = (np.concatenate(arrays) for arrays in zip(*pairs, strict=True))
    return rows, columns, correlations


def _candidates(hashes: np.ndarray, others: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pairs of positions whose hashes differ in at most HASH_BITS bits, the nearest ones of each position."""
    step = max(1, _BLOCK_DISTANCES // max(1, len(others)))
    for start in range(0, len(hashes), step):
        distances = np.bitwise_count(hashes[start : start + step, None] ^ others)
        rows, columns = np.nonzero(distances <= HASH_BITS)
        order = np.lexsort((distances[rows, columns], rows))
        rows, columns = rows[order], columns[order]
        ranks = np.arange(len(rows)) - np.searchsorted(rows, rows)
        is_near = ranks < MOST_CANDIDATES
        rows, columns = rows[is_near] + start, columns[is_near]
        for first in range(0, len(rows), _BLOCK_PAIRS):
            yield rows[first : first + _BLOCK_PAIRS], columns[first : first + _BLOCK_PAIRS]


def _correlations(thumbnails: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the correlation (k,) of each pair of thumbnails where they overlap, at the best small shift."""
    spectra = [np.fft.rfft2(_centred(images)) for images in (thumbnails, others)]
    surfaces = np.fft.irfft2(spectra[0] * spectra[1].conj(), (SIDE_PIXELS, SIDE_PIXELS))
    shifts = [(down, right) for down in _shift_range() for right in _shift_range()]
    best = np.stack([surfaces[:, down, right] for down, right in shifts], axis=1).argmax(axis=1)
    correlations = np.zeros(len(thumbnails))
    for index in np.unique(best):
        rows, (down, right) = best == index, shifts[index]
        one = _centred(thumbnails[rows][:, _overlap(down), _overlap(right)])
        other = _centred(others[rows][:, _overlap(-down), _overlap(-right)])
        norms = np.sqrt((one**2).sum(axis=(1, 2)) * (other**2).sum(axis=(1, 2)))
        correlations[rows] = (one * other).sum(axis=(1, 2)) / np.maximum(norms, 1e-6)
    return correlations


def _shift_range() -> range:
    return range(-_SHIFT_PIXELS, _SHIFT_PIXELS + 1)


def _overlap(shift: int) -> slice:
    return slice(max(shift, 0), SIDE_PIXELS + min(shift, 0))


def _centred(images: np.ndarray) -> np.ndarray:
    return images - images.mean(axis=(1, 2), keepdims=True, dtype=np.float32)


def _small_grey(image: np.ndarray) -> Image.Image:
    """Return an image (height, width, channels) of any number type in SIDE_PIXELS by SIDE_PIXELS, mode L."""
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return Image.fromarray(image).convert("L").resize((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.LANCZOS)
    grey = image.mean(axis=2, dtype=np.float32)
    grey = grey if image.dtype == np.uint8 else _full_contrast(grey)
    return Image.fromarray(grey.astype(np.uint8)).resize((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.LANCZOS)


def _full_contrast(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    return np.rint((values - low) * (255 / max(high - low, 1e-6))).astype(np.uint8)
