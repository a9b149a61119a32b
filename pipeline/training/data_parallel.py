"""A member on several devices (`devices: all`): each has a copy of the network and learns from its part of each batch.

It is Keras's `DataParallel`, which works with JAX alone. The gradients are those of the whole batch, and so are the
statistics of batch normalisation: the results equal those of one device within rounding.
"""

from contextlib import AbstractContextManager, nullcontext

import keras

from pipeline.config.schema import Member
from pipeline.storage.files import BadInput
from pipeline.storage.paths import PARAMS


def parallel(member: Member, key: str, batch_size: int) -> AbstractContextManager[None]:
    """Return the scope in which the member `key` trains: variables that are created in it are copied to its devices.

    Raises:
        BadInput: the backend, the number of devices or the batch size does not allow `devices: all`.
    """
    if member.devices == "one":
        return nullcontext()
    place, backend = f"{PARAMS}: members.{key}.devices", keras.backend.backend()
    if backend != "jax":
        raise BadInput(
            f"{place}: 'all' works with jax alone, not with {backend}; set KERAS_BACKEND=jax or remove the key"
        )
    devices = keras.distribution.list_devices()
    if len(devices) == 1:
        raise BadInput(f"{place}: 'all' needs several devices, but JAX finds only {devices[0]}; remove the key")
    if batch_size % len(devices):
        size_place = f"{PARAMS}: members.{key}.training.batch_size"
        raise BadInput(f"{size_place}: {batch_size}, expected a multiple of the {len(devices)} devices")
    return keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False).scope()


def device_count() -> int:
    """Return the number of devices among which the current scope splits each batch."""
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else distribution.device_mesh.devices.size
