"""The configuration: the schema of `params.yaml`, its bounds, its presets, and checks across entries."""
