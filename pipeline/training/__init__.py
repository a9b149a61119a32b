"""Training of one fold: data, batches, phases, epochs, seeds, callbacks, and the JAX program."""
