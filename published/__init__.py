"""The five published reports: entries for `params.yaml`, published figures, and the command that runs them."""
