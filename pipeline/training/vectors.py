"""The feature vectors of a task's images, which are computed once and kept on disk for all folds and trials."""

import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cache
from hashlib import blake2b
from pathlib import Path

import keras
import numpy as np
from filelock import FileLock
from tqdm import tqdm

from models.backbones.extraction import Extraction, extractor
from models.parts.compiling import dtype_policy, jit_compile
from models.registry.backbones import path_of
from pipeline.config.options import options_model
from pipeline.config.schema import Member
from pipeline.running.clock import clock
from pipeline.storage import paths
from pipeline.storage.checkpoint import BACKBONES, ROOT, deleting_damage, digest
from pipeline.storage.files import CHUNK_BYTES, blame, load_array, save_chunks, writing
from pipeline.storage.task_data import TaskData

BATCH_IMAGES = 32


def load_vectors(member: Member, split: str) -> np.ndarray:
    """Return the feature vectors, float32 (n, units), of `train` or `test`, memory-mapped. They are computed if needed.

    Only one process at a time computes a task's vectors; others wait for them.

    Raises:
        BadInput: the backbone's weights are missing or do not fit.
    """
    images, extraction = TaskData(member.task).images(split), extraction_of(member)
    policy = dtype_policy(member.training.precision)
    with blame(f"{paths.PARAMS}: backbone {extraction.backbone}"):
        path = paths.vectors(member.task) / f"{_key(images, extraction, policy)}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.parent / "lock"):
        if path.exists():
            with deleting_damage(path):
                return load_array(path)
        keras.config.set_dtype_policy(policy)
        _compute(path, images, extraction, f"{member.task}  {split} images")
    return load_array(path)


def extraction_of(member: Member) -> Extraction:
    """Return how the feature vectors of a member with architecture `features` are computed."""
    options = options_model(member.architecture).model_validate(member.options).model_dump()
    return Extraction(**{name: options[name] for name in Extraction.__dataclass_fields__})


def with_backbone(head: keras.Model, image_shape: tuple[int, int, int], extraction: Extraction) -> keras.Model:
    """Return a model of uint8 images, and of a table's columns if `head` has them, from a head that takes vectors.

    It has one view of an image, so that a place in its last feature map is a place in the image.
    """
    front = extractor(image_shape, replace(extraction, flip=False))
    columns = head.inputs[1:]
    outputs = head([front.output, *columns] if columns else front.output)
    return keras.Model([front.input, *columns] if columns else front.input, outputs, name="with_backbone")


def _compute(path: Path, images: np.ndarray, extraction: Extraction, title: str) -> None:
    started = time.monotonic()
    with blame(f"{paths.PARAMS}: backbone {extraction.backbone}"):
        model = extractor(images.shape[1:], extraction)
    if not jit_compile():
        model.jit_compile = False
    with writing(path) as part:
        save_chunks(part, (len(images), model.output_shape[1]), np.dtype(np.float32), _batches(model, images, title))
    print(f"{title}  features of {extraction.backbone} in {clock(time.monotonic() - started)}", flush=True)


def _batches(model: keras.Model, images: np.ndarray, title: str) -> Iterator[np.ndarray]:
    for start in tqdm(range(0, len(images), BATCH_IMAGES), desc=title, unit="batch", leave=False, disable=None):
        batch = images[start : start + BATCH_IMAGES]
        # A last batch of another size would be compiled again.
        full = batch if start == 0 else np.resize(batch, (BATCH_IMAGES, *batch.shape[1:]))
        yield model.predict_on_batch(full)[: len(batch)]


def _key(images: np.ndarray, extraction: Extraction, policy: str) -> str:
    """Return a hash of everything that the vectors depend on."""
    path, code = path_of(extraction.backbone, extraction.weights), sorted((ROOT / BACKBONES).glob("*.py"))
    weights = None if path is None else _content(path, path.stat().st_mtime_ns)
    values = [_content(_path_of(images), _path_of(images).stat().st_mtime_ns), weights, asdict(extraction)]
    return digest([*values, policy, keras.__version__, keras.backend.backend()], code)


def _path_of(images: np.ndarray) -> Path:
    return Path(images.filename)  # type: ignore[attr-defined]  # of a memory map


@cache
def _content(path: Path, _: int) -> str:
    """Return a hash of a file, or of the files in a folder. It is computed once for each time of change."""
    hashed = blake2b(digest_size=8)
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        with file.open("rb") as content:
            while part := content.read(CHUNK_BYTES):
                hashed.update(part)
    return hashed.hexdigest()
