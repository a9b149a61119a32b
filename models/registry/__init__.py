"""The options of the architectures, readable without Keras."""
