"""A project as somebody writes it who knows the names of the contract and nothing of how djust is made."""
