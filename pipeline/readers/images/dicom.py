"""DICOM files as a radiologist sees them: the window of the file, with dense tissue bright."""

from pathlib import Path
from typing import IO, Any

import numpy as np

from pipeline.storage.files import BadInput

SUFFIXES = (".dcm", ".dicom")


def read_dicom(path: Path, content: IO[bytes] | Path) -> np.ndarray:
    """Return an image, uint8 (height, width, 1 or 3).

    Values become what the file's rescaling and window say (VOI LUT); without a window, the smallest value becomes 0 and
    the largest 255. MONOCHROME1, in which high values are dark, is inverted. Of several frames the middle one is shown.

    Raises:
        BadInput: pydicom is not installed.
        Exception: of any type, if the file is damaged.
    """
    try:
        from pydicom import dcmread
        from pydicom.pixels import apply_modality_lut, apply_voi_lut, convert_color_space, pixel_array
    except ImportError:
        raise BadInput(f"{path}: a DICOM file, which pydicom reads; run pip install 'podium[dicom]'") from None
    data = dcmread(content, force=True)
    pixels, kind = pixel_array(data), str(data.PhotometricInterpretation)
    if int(data.get("NumberOfFrames") or 1) > 1:
        pixels = pixels[len(pixels) // 2]
    if pixels.ndim == 3:
        return convert_color_space(pixels, kind, "RGB") if kind.startswith("YBR") else pixels
    values = np.asarray(apply_voi_lut(apply_modality_lut(pixels, data), data), np.float64)
    low, high = _range(data) if "WindowCenter" in data else (values.min(), values.max())
    scaled = np.clip((values - low) / max(high - low, 1e-9) * 255, 0, 255)
    return np.rint(255 - scaled if kind == "MONOCHROME1" else scaled).astype(np.uint8)[..., np.newaxis]


def _range(data: Any) -> tuple[float, float]:
    """Return the values that pydicom gives to both ends of a window: the ends of the file's integers, rescaled."""
    bits, is_signed = int(data.BitsStored), bool(data.PixelRepresentation)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else (0, 2**bits - 1)
    slope, intercept = float(data.get("RescaleSlope", 1)), float(data.get("RescaleIntercept", 0))
    return low * slope + intercept, high * slope + intercept
