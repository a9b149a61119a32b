"""Training for some epochs: with Keras's `fit`, or with a JAX program on the device if the backend allows it."""

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
    """Train the compiled model from `initial_epoch` to `epochs`, which is not included, as `keras.Model.fit` does."""
    if keras.backend.backend() != "tensorflow":
        # Else `fit` uses one batch to create the variables of metrics, and begins the first epoch at the second batch.
        trainer._symbolic_build(data_batch=batches[0])
    if keras.backend.backend() == "jax":
        from pipeline.training import epoch_jax  # which imports JAX

        if epoch_jax.supports_data(batches.images, batches.augment):
            epoch_jax.fit(trainer, batches, callbacks, initial_epoch=initial_epoch, epochs=epochs)
            return
    trainer.fit(batches, shuffle=False, verbose=0, callbacks=callbacks, initial_epoch=initial_epoch, epochs=epochs)
