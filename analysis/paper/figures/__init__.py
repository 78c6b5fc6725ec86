"""Figures of the paper, drawn from data and results."""
