"""Runs: datasets out of documents, reduction while a scan runs, and runs of derived results."""
