"""A packing list for a trip. Each visitor's list is a session of djust; there is no table."""
