"""Functions that make the inputs which exceptions name: (configuration) → {name: tensor}."""
