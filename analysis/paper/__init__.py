"""The published experiment: its scans, the inference from them, its figures and Table 1."""
