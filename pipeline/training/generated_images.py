"""Generated images for training, selected by the training rows of their GAN, never by a fold's name.

So a model is only trained on images that were generated from its own training rows.
"""

import numpy as np

from features.labels.targets import one_hot
from pipeline.config.schema import Member
from pipeline.storage import paths
from pipeline.storage.files import BadInput, load_array, load_json
from pipeline.storage.task_data import TaskData
from pipeline.training.joined_images import Extra


def load_generated(member: Member, rows: np.ndarray) -> Extra:
    """Return the images of the GAN that was trained on exactly these training rows.

    Raises:
        BadInput: there is no such GAN.
    """
    about, data = paths.generated(member.task) / "about.json", TaskData(member.task)
    own_source = data.source(rows)
    for name, generated_set in load_json(about, {"sets": dict})["sets"].items():
        if generated_set["source"] == own_source:
            images, labels = (load_array(about.with_name(f"{name}_{part}.npy")) for part in ("images", "labels"))
            targets = one_hot(labels, len(data.classes))
            return Extra(images, targets, np.arange(len(images)), member.generated_share, member.generated_adds)
    raise BadInput(f"{about}: no set comes from just the {len(rows)} training rows, expected one; run stage generate")
