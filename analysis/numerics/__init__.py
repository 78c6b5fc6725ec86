"""Numerical tools that know nothing of optics: compilation, small linear algebra, the jackknife."""
