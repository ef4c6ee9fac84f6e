"""A project that hostile clients are let loose on. Its settings come from the environment."""
