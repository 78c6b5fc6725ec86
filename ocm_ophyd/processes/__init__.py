"""Servers in processes of their own: the instrument, the catalog, a private laboratory."""
