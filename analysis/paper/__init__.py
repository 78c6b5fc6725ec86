"""The published experiment: its data, what follows from them, its figures and Table 1."""
