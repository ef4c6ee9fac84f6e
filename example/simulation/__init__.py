"""Visitors of the packing lists who speak to its LiveViews as browsers do. See ``simulator.py``."""
