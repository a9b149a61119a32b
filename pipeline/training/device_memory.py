"""What to do when a batch does not fit into the memory of the device: name, or use, one that fits."""

import gc
from collections.abc import Callable
from typing import TypeVar

from pipeline.running.devices import is_out_of_memory
from pipeline.storage.files import BadInput

Result = TypeVar("Result")


def with_fitting_batch(size: int, function: Callable[[int], Result]) -> tuple[int, Result]:
    """Return `size`, or its largest half, quarter, ... for which `function` fits into memory, and its result.

    Raises:
        Exception: the function's own error, if not even one image fits or if it is another error.
    """
    while True:
        try:
            return size, function(size)
        except Exception as error:
            if size == 1 or not is_out_of_memory(error):
                raise
        gc.collect()  # after the error and its frames, which refer to arrays on the device, are gone
        size //= 2


def full_memory(key: str, size: int, train_step: Callable[[int], object]) -> BadInput:
    """Return the error for a batch size that does not fit, with one that does.

    Args:
        key: of the batch size in params.yaml.
        size: the batch size that did not fit.
        train_step: trains one step with batches of another size.
    """
    gc.collect()
    try:
        fitting_size, _ = with_fitting_batch(max(1, size // 2), train_step)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return BadInput(f"{key}: not even one image fits into the memory of the device; use a smaller network")
    return BadInput(f"{key}: {size} images do not fit into the memory of the device, {fitting_size} do")
