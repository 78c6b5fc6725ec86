"""Files: the schema of raw data, reading and writing them, and the refusal of what is invalid."""
