"""Exceptions of the zoo's rules; see __init__.py for what an entry may hold."""

EXCEPTIONS = {}
