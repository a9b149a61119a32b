"""Test suites of Optuna and Keras, run on what Podium gives to them: its storage, its layer and its optimiser."""

import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import optuna
import pytest
from optuna.storages import BaseStorage

from models.parts.optimisers import optimiser, schedule
from models.parts.sums import PriceSums
from pipeline.tuning.study import _journal

try:
    from optuna.testing.pytest_storages import StorageTestCase
except ImportError:
    StorageTestCase = object

try:
    from keras.src.testing import TestCase as KerasTestCase
except ImportError:
    KerasTestCase = None

needs_optunas_tests = pytest.mark.skipif(
    StorageTestCase is object and not os.environ.get("CI"),
    reason=f"Optuna {optuna.__version__} has no optuna.testing.pytest_storages, as 5.0 has",
)
needs_keras_tests = pytest.mark.skipif(
    # a private module of Keras; in CI its absence is a failure, so that a new release does not silence these tests
    not (hasattr(KerasTestCase, "run_layer_test") and hasattr(KerasTestCase, "run_class_serialization_test"))
    and not os.environ.get("CI"),
    reason=f"Keras {keras.__version__} has no keras.src.testing.TestCase with both tests, as 3.15 has",
)


class TestJournal(StorageTestCase):
    """Optuna's contract for storages, on the storage that every study of Podium has by default."""

    @pytest.fixture
    def storage(self, tmp_path: Path) -> BaseStorage:
        return _journal(tmp_path / "journal.log")


@needs_optunas_tests
def test_optunas_contract_is_the_whole_one():
    tests = [name for name in dir(TestJournal) if name.startswith("test_")]
    assert len(tests) >= 30, f"Optuna {optuna.__version__} has fewer tests of storages than 5.0"


@needs_keras_tests
@pytest.mark.parametrize("places", [2, 5])
def test_a_layer_of_price_sums_passes_kerass_test(places):
    KerasTestCase().run_layer_test(
        PriceSums,
        {"count": 2, "prices": [1, 2, 4], "sums": [2, 3, 6]},
        input_shape=(3, places, 3 + (places > 2)),
        expected_output_shape=(3, 3),
        expected_output_dtype="float32",
        expected_num_trainable_weights=0,
        expected_num_non_trainable_weights=0,
        expected_num_losses=0,
        supports_masking=False,
        run_mixed_precision_check=False,  # it asks for the policy's precision, but sums are always float32
    )


@needs_keras_tests
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_layer_of_price_sums_is_float32_in_any_precision(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        layer = PriceSums(2, [1, 2], [2, 3, 4])
        assert layer(np.zeros((1, 2, 2), "float32")).dtype == "float32"
    finally:
        keras.config.set_dtype_policy(before)


# Without weight decay: Keras saves no list of the weights that it spares, and Podium makes its optimisers anew.
SERIALISED: dict[str, Callable] = {
    "PriceSums": lambda: PriceSums(2, [1, 2], [2, 4]),
    "Muon": lambda: optimiser("muon", 0.01, momentum=0.8, ema_momentum=0.9),
    "Muon with a schedule": lambda: optimiser("muon", schedule("one_cycle", 0.1, 30)),
}


@needs_keras_tests
@pytest.mark.parametrize("name", SERIALISED)
def test_what_is_saved_is_revived_by_kerass_test(name):
    KerasTestCase().run_class_serialization_test(SERIALISED[name]())
