"""Fits of calibrations: pump fluence, retarder, path length, galvos, pump spot."""
