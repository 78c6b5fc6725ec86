"""Diffusion of carriers: the diffusion equation, Gaussian clouds, movies and waveguides."""
