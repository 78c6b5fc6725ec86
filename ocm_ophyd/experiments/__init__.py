"""Whole experiments: the demonstration, the reproduction of the paper, series, reports."""
