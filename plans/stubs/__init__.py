"""Parts of plans: points with the pump, spectra without it, checks before the first move."""
