"""Training for some epochs: by Keras's `fit` or, where the backend allows it, by a program on the device."""

import keras

from pipeline.training.batches import TrainingBatches


def fit(
    trainer: keras.Model,
    batches: TrainingBatches,
    callbacks: list[keras.callbacks.Callback],
    *,
    initial_epoch: int = 0,
    epochs: int = 1,
) -> None:
    """Train the compiled model from one epoch to another, which is not included, as `keras.Model.fit` does."""
    if keras.backend.backend() != "tensorflow":
        # Else `fit` makes the variables of metrics by a batch, and begins the first epoch at the second one.
        trainer._symbolic_build(data_batch=batches[0])
    if keras.backend.backend() == "jax":
        from pipeline.training import epoch_jax  # which imports JAX

        if epoch_jax.serves(batches.images, batches.augment):
            epoch_jax.fit(trainer, batches, callbacks, initial_epoch=initial_epoch, epochs=epochs)
            return
    trainer.fit(batches, shuffle=False, verbose=0, callbacks=callbacks, initial_epoch=initial_epoch, epochs=epochs)
