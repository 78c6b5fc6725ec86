"""Whole scans: every point reduced, delay scans inverted, many files at once."""
