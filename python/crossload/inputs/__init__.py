"""Inputs: the sample that a model is exported with, and the other shapes at which a conversion is compared."""
