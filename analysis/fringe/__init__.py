"""The interference fringe of a spectrum: its model, the fit to it, and the phase step."""
