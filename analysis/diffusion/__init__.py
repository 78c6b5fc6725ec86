"""Carriers that spread: the diffusion equation, clouds, movies and waveguides."""
