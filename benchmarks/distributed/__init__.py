"""Collectives and data-parallel training on real MPI ranks of this machine."""
