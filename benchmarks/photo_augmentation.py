"""How many photos does each augmentation change in a second, beside what MobileNetV2 trains, and Keras's own layers?

    nice python -m benchmarks.photo_augmentation

Times batches of 32 random pictures of 160x160 in three channels. Speeds are per second of processor time, all threads
together, so they do not depend on other load. It takes two minutes.
"""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image

from pipeline.running.backend import keras  # before what imports Keras itself

# isort: split
from benchmarks import results
from features.augmentation.augment import Augment, augment_images, mix_images
from models.parts.compiling import jit_compile

PIXELS, BATCH, CALLS, CLASSES = 160, 32, 12, 10
COLOURS = {"brightness_share": 0.2, "contrast_share": 0.2, "saturation_share": 0.2, "hue_share": 0.05}
OPTIONS = {
    "flip": {"flip": True},
    "area_crop_share: 0.65": {"area_crop_share": 0.65},
    "brightness, contrast, saturation and hue": COLOURS,
    "trivial_augment": {"trivial_augment": True},
    "erase_probability: 0.5": {"erase_probability": 0.5},
    "mixup_alpha: 0.2": {"mixup_alpha": 0.2},
    "flip, area_crop_share and colours": {"flip": True, "area_crop_share": 0.65, **COLOURS},
    "flip, area_crop_share and trivial_augment": {"flip": True, "area_crop_share": 0.65, "trivial_augment": True},
    "rotation_degrees: 20": {"rotation_degrees": 20},
}
LAYERS = {
    "keras.layers.RandAugment()": keras.layers.RandAugment,
    "keras.layers.RandomColorJitter": lambda: keras.layers.RandomColorJitter(
        brightness_factor=0.2, contrast_factor=0.2, saturation_factor=0.2, hue_factor=0.05
    ),
}


def main() -> None:
    """Measure everything, print the speeds and write the rows."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (BATCH, 12, 12, 3), dtype=np.uint8)
    images = np.stack([np.asarray(Image.fromarray(image).resize((PIXELS, PIXELS))) for image in small])
    targets = np.eye(CLASSES, dtype=np.float32)[rng.integers(0, CLASSES, BATCH)]
    speeds = {"training of MobileNetV2": _speed(_training(images, targets), 4)}
    for name, options in OPTIONS.items():
        speeds[name] = _speed(partial(_change, images, targets, Augment(**options), rng))
    for name, layer in LAYERS.items():
        speeds[name] = _speed(partial(layer(), images.astype(np.float32), training=True))
    for name, speed in speeds.items():
        print(f"{name:45} {speed:8,.0f} images/s")
    shared = {"task": "random pictures", "setting": f"{PIXELS}x{PIXELS}"}
    rows = [{**shared, "member": name, "images_per_second": speed} for name, speed in speeds.items()]
    results.write("photo_augmentation", rows)


def _change(images: np.ndarray, targets: np.ndarray, augment: Augment, rng: np.random.Generator) -> None:
    mix_images(augment_images(images, augment, rng), targets, augment, rng)


def _training(images: np.ndarray, targets: np.ndarray) -> Callable[[], object]:
    model = keras.applications.MobileNetV2(
        input_shape=images.shape[1:], weights=None, classes=CLASSES, classifier_activation=None
    )
    model.compile("adamw", keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=jit_compile())
    pixels = images / np.float32(127.5) - 1
    return lambda: model.train_on_batch(pixels, targets)


def _speed(call: Callable[[], object], calls: int = CALLS) -> float:
    """Return the images in a second of processor time, after one call that is not counted."""
    call()
    started = time.process_time()
    for _ in range(calls):
        call()
    return BATCH * calls / (time.process_time() - started)


if __name__ == "__main__":
    main()
