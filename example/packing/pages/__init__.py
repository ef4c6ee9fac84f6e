"""The LiveViews. Each page that somebody has open is one of their instances, and a session in the store."""
