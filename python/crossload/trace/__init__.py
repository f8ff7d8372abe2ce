"""The request `trace`: a model becomes a program, with the checkpoint location of each of its parameters."""
