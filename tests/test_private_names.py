"""The private names of libraries that Podium builds on: a release without one fails here, by name and version."""

import inspect
import pickle
from importlib.metadata import version

import keras
import optuna
import pytest
from optuna.trial import Trial

LOSS_SCALE = keras.optimizers.LossScaleOptimizer

METHODS = [
    ("keras", keras.optimizers.Muon, "_should_use_adamw", ["self", "variable"], "models/parts/optimisers.py"),
    ("keras", keras.optimizers.Muon, "_muon_update_step", ["self", "gradient", "variable", "lr", "m"], "the same"),
    ("keras", LOSS_SCALE, "_stateful_handle_non_finite_grads", ["self"], "the same"),
    (
        "keras",
        LOSS_SCALE,
        "_stateless_handle_non_finite_grads",
        ["self", "optimizer_variables", "trainable_variables"],
        "the same",
    ),
    ("keras", keras.Optimizer, "_apply_weight_decay", ["self", "variables"], "the same"),
    ("keras", keras.Optimizer, "_get_current_learning_rate", ["self"], "the same"),
    ("keras", keras.Optimizer, "_get_variable_index", ["self", "variable"], "the same"),
    ("keras", keras.Model, "_flatten_layers", ["self", "include_self", "recursive"], "models/parts/batch_norm.py"),
]


@pytest.mark.parametrize(("package", "owner", "name", "arguments", "user"), METHODS, ids=lambda value: str(value)[:40])
def test_a_private_method_takes_what_we_pass(package, owner, name, arguments, user):
    release = f"{package} {version(package)}"
    assert hasattr(owner, name), f"{release}: {owner.__name__} has no {name}, which {user} uses"
    assert list(inspect.signature(getattr(owner, name)).parameters) == arguments, f"{release}: {owner.__name__}.{name}"


def test_a_model_is_built_from_one_batch_before_training():
    parameters = inspect.signature(keras.Model._symbolic_build).parameters
    assert "data_batch" in parameters, f"keras {version('keras')}: pipeline/training/epoch.py calls it with data_batch"


def test_averages_of_weights_are_the_optimiser_s_own_list():
    optimiser = keras.optimizers.SGD(use_ema=True)
    weight = keras.Variable([1.0, 2.0])
    optimiser.build([weight])
    averages = optimiser._model_variables_moving_average
    assert len(averages) == 1 and averages[0].shape == weight.shape, f"keras {version('keras')}"


def test_the_unpickler_in_python_is_driven_by_a_table_of_opcodes():
    assert pickle._Unpickler.dispatch[pickle.STOP[0]] is pickle._Unpickler.load_stop
    assert {pickle.BINUNICODE[0], pickle.BINBYTES8[0], pickle.BYTEARRAY8[0]} <= pickle._Unpickler.dispatch.keys()


def test_a_trial_knows_its_id_and_a_study_its_storage():
    study = optuna.create_study()
    trial = study.ask()
    release = f"optuna {version('optuna')}"
    assert study._storage.get_trial(trial._trial_id).number == trial.number, release
    assert Trial(study, trial._trial_id).number == trial.number, release
