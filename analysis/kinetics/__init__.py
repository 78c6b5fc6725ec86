"""Decay of delta_n or of carrier density with time: models, fits, rise times."""
