"""Optimisers and learning-rate schedules by name."""

import keras
import numpy as np
from keras import ops, optimizers

from models.parts.compiling import is_tensorflow_on_a_cpu

WARMUP_SHARE, START_SHARE = 0.25, 1 / 25  # one-cycle schedule: share of its steps, share of its peak
FEWEST_CHANNELS = 8  # Muon skips smaller kernels: a network's first layer is hardly a matrix


def optimiser(
    name: str,
    learning_rate: float | optimizers.schedules.LearningRateSchedule,
    *,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    ema_momentum: float = 0.0,
    global_clipnorm: float = 0.0,
    gradient_accumulation_steps: int = 1,
    rate_shares: tuple[float, ...] = (),
) -> keras.Optimizer:
    """Return a Keras optimiser.

    Args:
        name: sgd (Nesterov; plain with momentum 0), adam, adamw, rmsprop or muon.
        learning_rate: a constant or a schedule.
        momentum: for sgd and muon.
        weight_decay: decoupled (Loshchilov and Hutter, 2019), not applied to biases and normalisations; 0 is none.
        ema_momentum: of the moving average of the weights; 0 is none.
        global_clipnorm: the largest norm of all gradients together, longer ones are scaled down; 0 is no limit.
        gradient_accumulation_steps: batches whose mean gradient makes one step.
        rate_shares: of the learning rate, one for each trainable variable of the model; empty: 1 for all.
    """
    common = {
        "learning_rate": learning_rate,
        "weight_decay": weight_decay or None,
        "use_ema": bool(ema_momentum),
        # Keras updates the average after every batch, also between two steps.
        "ema_momentum": (ema_momentum or 0.99) ** (1 / gradient_accumulation_steps),
        "global_clipnorm": global_clipnorm or None,
        "gradient_accumulation_steps": gradient_accumulation_steps if gradient_accumulation_steps > 1 else None,
    }
    options: dict[str, float | None]
    if name == "sgd":
        kind, options = optimizers.SGD, {"momentum": momentum, "nesterov": momentum > 0}
    elif name in ("adam", "adamw"):  # the same here, because the decay is decoupled in both
        kind, options = optimizers.Adam, {}
    elif name == "muon":
        kind, options = ConvolutionMuon, {"momentum": momentum, "adam_weight_decay": weight_decay or None}
    else:
        kind, options = optimizers.RMSprop, {}
    if rate_shares:
        kind = type(f"{kind.__name__}WithRateShares", (RateShares, kind), {"rate_shares": rate_shares})
    keras_optimiser = kind(**common, **options)
    if weight_decay:
        keras_optimiser.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return LossScale(keras_optimiser) if keras.config.dtype_policy().compute_dtype == "float16" else keras_optimiser


@keras.saving.register_keras_serializable("podium")
class LossScale(optimizers.LossScaleOptimizer):
    """Keras's loss scaling for float16. The learning-rate schedule also counts the steps that are skipped.

    Otherwise a schedule that ends at zero would never end. Because of this count, Adam's first steps are a little
    shorter.
    """

    def build(self, var_list: list[keras.Variable]) -> None:
        """Create the variables. Weight averages start as copies of the weights, because step 0 may be skipped."""
        super().build(var_list)
        if self.inner_optimizer.use_ema:
            for variable, average in zip(var_list, self.inner_optimizer._model_variables_moving_average, strict=True):
                average.assign(ops.copy(variable))

    def _stateful_handle_non_finite_grads(self) -> None:
        super()._stateful_handle_non_finite_grads()
        self.iterations.assign_add(1)

    def _stateless_handle_non_finite_grads(self, optimizer_variables: list, trainable_variables: list) -> tuple:
        trainable, values = super()._stateless_handle_non_finite_grads(optimizer_variables, trainable_variables)
        place = next(index for index, variable in enumerate(self.variables) if variable is self.iterations)
        values[place] += 1
        return trainable, values


class RateShares:
    """Base, before a Keras optimiser, of one with a learning rate for each variable: for the step and the decay."""

    rate_shares: tuple[float, ...]  # of the learning rate, in the order of the variables
    _share = 1.0  # of the variable that decays now

    def update_step(
        self, gradient: keras.KerasTensor, variable: keras.Variable, learning_rate: keras.KerasTensor
    ) -> None:
        """Update a variable with its share of the learning rate."""
        super().update_step(gradient, variable, learning_rate * self._share_of(variable))  # type: ignore[misc]

    def _apply_weight_decay(self, variables: list) -> None:
        for variable in variables:
            self._share = self._share_of(variable)
            super()._apply_weight_decay([variable])  # type: ignore[misc]
        self._share = 1.0

    def _get_current_learning_rate(self) -> keras.KerasTensor:
        return super()._get_current_learning_rate() * self._share  # type: ignore[misc]

    def _share_of(self, variable: keras.Variable) -> float:
        return self.rate_shares[self._get_variable_index(variable)]  # type: ignore[attr-defined]


@keras.saving.register_keras_serializable("podium")
class ConvolutionMuon(optimizers.Muon):
    """Muon for the kernels of convolutions, Adam for all other weights (Jordan et al., "Muon", 2024).

    A kernel is reshaped to a matrix (height * width * channels, filters). The direction of a step is the nearest matrix
    with orthogonal columns to the momentum. Its length is that of an Adam step (Liu et al., "Muon is Scalable for LLM
    Training", 2025). Keras's Muon uses Adam for the kernels of convolutions.
    """

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        return len(variable.shape) != 4 or min(variable.shape[2:]) < FEWEST_CHANNELS

    def _muon_update_step(
        self, gradient: keras.KerasTensor, variable: keras.Variable, lr: keras.KerasTensor, m: keras.Variable
    ) -> None:
        self.assign(m, self.momentum * m + gradient)
        ahead = gradient + self.momentum * m
        rows, columns = int(np.prod(variable.shape[:-1])), variable.shape[-1]
        direction = self.zeropower_via_newtonschulz5(ops.reshape(ahead, (rows, columns)), self.ns_steps)
        length = self.rms_rate * max(rows, columns) ** 0.5
        self.assign_sub(variable, ops.reshape(lr * length * direction, variable.shape))

    def zeropower_via_newtonschulz5(self, x: keras.KerasTensor, steps: int) -> keras.KerasTensor:
        """Return approximately the nearest matrix with orthogonal rows or columns, whichever are fewer.

        Each step is x (a + b x'x + c (x'x)^2). The factor after x depends on x'x alone, so on a CPU the steps run on
        this small square matrix, and x is multiplied once. The kernel of a 3x3 convolution has several times as many
        rows as columns, so this needs half the arithmetic or less.

        GPUs may round factors to ten bits. The steps on the square matrix do not correct such errors, and singular
        values of 3 result. So other devices use Keras's version, which is stable in bfloat16, as Jordan uses it. It
        runs in bfloat16 when the network does.
        """
        if not is_tensorflow_on_a_cpu():
            in_bfloat16 = keras.config.dtype_policy().compute_dtype == "bfloat16"
            direction = super().zeropower_via_newtonschulz5(ops.cast(x, "bfloat16") if in_bfloat16 else x, steps)
            return ops.cast(direction, x.dtype)
        if x.shape[0] < x.shape[1]:
            return ops.transpose(self.zeropower_via_newtonschulz5(ops.transpose(x), steps))
        x = x / (ops.norm(x) + 1e-7)
        gram, product = ops.transpose(x) @ x, ops.eye(x.shape[1], dtype=x.dtype)
        for _ in range(steps):
            squared = gram @ gram
            step = self.muon_a * ops.eye(x.shape[1], dtype=x.dtype) + self.muon_b * gram + self.muon_c * squared
            gram, product = step @ gram @ step, product @ step
        return x @ product


def schedule(
    name: str, learning_rate: float, steps: int, decay: float = 0.0
) -> float | optimizers.schedules.LearningRateSchedule:
    """Return the learning rate, or its schedule, for a training of `steps` batches.

    `one_cycle` rises from a 25th to the full `learning_rate` over the first quarter, then falls to zero on a cosine
    (after Smith and Topin, 2017). `cosine` only falls. `inverse_time` is learning_rate / (1 + decay * step). `constant`
    and `plateau` are constant; a callback lowers the latter.
    """
    if name == "one_cycle":
        warmup_steps = int(steps * WARMUP_SHARE)
        return optimizers.schedules.CosineDecay(
            START_SHARE * learning_rate,
            max(1, steps - warmup_steps),
            warmup_target=learning_rate,
            warmup_steps=warmup_steps,
        )
    if name == "cosine":
        return optimizers.schedules.CosineDecay(learning_rate, steps)
    if name == "inverse_time":
        return optimizers.schedules.InverseTimeDecay(learning_rate, decay_steps=1, decay_rate=decay)
    return learning_rate
