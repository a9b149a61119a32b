"""Write the raw files of each competition, tiny, with its real names of files and columns.

Every writer gets an empty folder and returns the answers: the sample submission's table with the true values. The class
of an image is the place and the colour of a bright square, so a small network learns it. Sizes are mixed where the
competition's are.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tests.competitions import coco, folders, photos, products, radiology, signals

Writer = Callable[[Path, np.random.Generator], pd.DataFrame]
WRITERS: dict[str, Writer] = {
    name: writer
    for module in (coco, folders, photos, products, radiology, signals)
    for name, writer in module.WRITERS.items()
}


def write(name: str, folder: Path, seed: int = 0) -> pd.DataFrame:
    """Write a competition's raw files and return the answers to its test images."""
    folder.mkdir(parents=True)
    return WRITERS[name](folder, np.random.default_rng(seed))
