"""Generated images beside the real ones: found by the training rows that their GAN saw, never by a fold's name.

So a model can only ever be trained on images made from its own training rows.
"""

from pathlib import Path

import numpy as np

from features.labels.targets import one_hot
from pipeline.config.schema import Member
from pipeline.storage import paths
from pipeline.storage.checkpoint import source_of
from pipeline.storage.files import BadInput, load_array, load_json
from pipeline.storage.images import load_about
from pipeline.training.joined_images import Extra


def load_generated(member: Member, images: Path, rows: np.ndarray) -> Extra:
    """Return what the GAN made that was trained on exactly these rows of the images that `prepare` made.

    Raises:
        BadInput: none was.
    """
    about, wanted = paths.generated(member.task) / "about.json", source_of(images, rows)
    for name, each in load_json(about, {"sets": dict})["sets"].items():
        if each["source"] == wanted:
            made, labels = (load_array(about.with_name(f"{name}_{part}.npy")) for part in ("images", "labels"))
            targets = one_hot(labels, len(load_about(images)["classes"]))
            return Extra(made, targets, np.arange(len(made)), member.generated_share)
    raise BadInput(f"{about}: no set comes from just the {len(rows)} training rows, expected one; run stage generate")
