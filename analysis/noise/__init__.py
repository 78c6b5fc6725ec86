"""Noise of the instrument: phase records, their spectrum and Allan deviation."""
