"""Training one fold: data, batches, phases, epochs, seeds, callbacks, the JAX program."""
