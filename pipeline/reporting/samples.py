"""A picture of samples, with a row for each class."""

import numpy as np
from PIL import Image, ImageDraw

COLUMNS = 10
LEAST_SIDE_PIXELS = 48  # smaller images are enlarged to about this
MARGIN_PIXELS, NAME_PIXELS = 3, 90


def picture(images: np.ndarray, labels: np.ndarray, names: list[int | str]) -> Image.Image:
    """Return a picture with the first images of each class, beside the class's name.

    Args:
        images: uint8 (n, height, width, channels).
        labels: (n,), indices of the names.
        names: of the classes.
    """
    height, width, channels = images.shape[1:]
    scale = max(1, round(LEAST_SIDE_PIXELS / min(height, width)))
    mode = "RGB" if channels == 3 else "L"
    across, down = width * scale + MARGIN_PIXELS, height * scale + MARGIN_PIXELS
    classes = np.unique(labels)
    page = Image.new(mode, (NAME_PIXELS + COLUMNS * across, len(classes) * down), "white")
    draw = ImageDraw.Draw(page)
    for row, label in enumerate(classes):
        draw.text((MARGIN_PIXELS, row * down + down // 2 - 6), str(names[label])[:14], fill="black")
        for column, index in enumerate(np.flatnonzero(labels == label)[:COLUMNS]):
            pixels = images[index] if channels == 3 else images[index, ..., 0]
            large = Image.fromarray(pixels).resize((width * scale, height * scale), Image.Resampling.NEAREST)
            page.paste(large, (NAME_PIXELS + column * across, row * down))
    return page
