"""Compare networks that Podium converts from PyTorch with the original ones, on the same photos.

    python -m benchmarks.torch_weights PHOTOS.tar PYTHON

PYTHON is an interpreter with PyTorch and the packages that `benchmarks/torch_original.py` names. The figure is the
greatest difference of a feature; an image has 1280 of them. It takes a minute on two cores.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
from benchmarks import results
from models.backbones.families import OF_TORCH, Family, family
from models.backbones.weights import load

PHOTOS, PIXELS = 100, 224
ORIGINAL = Path(__file__).with_name("torch_original.py")


def main() -> None:
    """Compute the features with both, print the differences and write them to the results."""
    photos = _photos(Path(sys.argv[1]))
    families = [family(name) for name in OF_TORCH]
    images = {network.name: _preprocessed(network, photos) for network in families}
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "images.npz"), Path(folder, "features.npz")
        np.savez(files[0], **images)
        subprocess.run([sys.argv[2], ORIGINAL, *files], check=True)
        original = dict(np.load(files[1]))
    rows = [_row(network, images[network.name], original[network.name]) for network in families]
    for row in rows:
        print(row)
    results.write("torch_weights", rows)


def _photos(archive: Path) -> np.ndarray:
    with tarfile.open(archive) as members:
        files = [member for member in members if member.isfile()]
        contents = [members.extractfile(file).read() for file in files[:: len(files) // PHOTOS][:PHOTOS]]
    photos = [Image.open(io.BytesIO(content)).convert("RGB").resize((PIXELS, PIXELS)) for content in contents]
    return np.stack([np.asarray(photo, np.float32) for photo in photos])


def _preprocessed(network: Family, photos: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(network.preprocess(keras.ops.convert_to_tensor(photos)))


def _row(network: Family, images: np.ndarray, original: np.ndarray) -> dict[str, object]:
    converted = load(network, "imagenet", images.shape[1:]).predict(images, batch_size=20, verbose=0)
    return {
        "task": "photos",
        "member": network.name,
        "images": len(images),
        "greatest_difference": float(np.abs(converted - original).max()),
        "greatest_feature": float(original.max()),
    }


if __name__ == "__main__":
    main()
