"""What the architectures take, without Keras."""
