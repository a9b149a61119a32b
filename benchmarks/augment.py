"""Measure the speed of every augmentation, and draw its effect on real images.

FASHION_MNIST_DIR=<folder> python -m benchmarks.augment [docs/augmentation.png]
"""

import sys
import time

import numpy as np
from PIL import Image, ImageDraw

from benchmarks import results
from features.augmentation.augment import Augment, augment_images, mix_images
from features.augmentation.warps import alternating
from pipeline.readers.image_sets import load_source

VARIANTS = {
    "as they are": Augment(),
    "flip": Augment(flip=True),
    "alternating_flip": Augment(alternating_flip=True),
    "vertical_flip": Augment(vertical_flip=True),
    "shift_pixels: 4": Augment(shift_pixels=4),
    "rotation_degrees: 20": Augment(rotation_degrees=20),
    "rescale_share: 0.3": Augment(rescale_share=0.3),
    "shear_degrees: 20": Augment(shear_degrees=20),
    "crop_share: 0.4": Augment(crop_share=0.4),
    "area_crop_share: 0.6": Augment(area_crop_share=0.6),
    "trivial_augment": Augment(trivial_augment=True),
    "brightness_share: 0.3": Augment(brightness_share=0.3),
    "contrast_share: 0.6": Augment(contrast_share=0.6),
    "erase_probability: 0.8": Augment(erase_probability=0.8),
    "cutout_pixels: 10": Augment(cutout_pixels=10),
    "mixup_alpha: 1": Augment(mixup_alpha=1),
    "cutmix_alpha: 1": Augment(cutmix_alpha=1),
    "ricap_beta: 0.5": Augment(ricap_beta=0.5),
}
BATCH, BATCHES, COLUMNS = 128, 80, 10
ENLARGED, MARGIN_PIXELS, TITLE_PIXELS = 2, 4, 150


def main() -> None:
    """Print images per second for each option. With a path as argument, also draw the picture."""
    images = load_source("fashion-mnist").train.pixels[..., None]
    for title, options in list(VARIANTS.items())[1:]:
        started = time.process_time()
        for batch in range(BATCHES):
            _augment(images[batch * BATCH : (batch + 1) * BATCH], options, batch)
        rate = BATCH * BATCHES / (time.process_time() - started)
        print(f"{title:24} {rate:10,.0f} images/s a core", flush=True)
        results.write("parts", [{"member": f"augmentation {title}", "images_per_second": rate}])
    for path in sys.argv[1:]:
        _picture(images[:COLUMNS]).save(path, optimize=True)


def _augment(images: np.ndarray, options: Augment, epoch: int) -> np.ndarray:
    rng = np.random.default_rng(epoch)
    mirrored = alternating(len(images), np.random.default_rng(0), epoch) if options.alternating_flip else None
    targets = np.eye(10, dtype=np.float32)[np.arange(len(images)) % 10]
    return mix_images(augment_images(images, options, rng, mirrored), targets, options, rng)[0]


def _picture(images: np.ndarray) -> Image.Image:
    side = images.shape[1] * ENLARGED + MARGIN_PIXELS
    page = Image.new("L", (TITLE_PIXELS + COLUMNS * side, len(VARIANTS) * side), 255)
    draw = ImageDraw.Draw(page)
    for row, (title, options) in enumerate(VARIANTS.items()):
        draw.text((MARGIN_PIXELS, row * side + side // 2 - 6), title, fill=0)
        for column, pixels in enumerate(_augment(images, options, 1)):
            large = Image.fromarray(pixels[..., 0]).resize((side - MARGIN_PIXELS,) * 2, Image.Resampling.NEAREST)
            page.paste(large, (TITLE_PIXELS + column * side, row * side))
    return page


if __name__ == "__main__":
    main()
