"""Packing lists for trips, which several people can pack for together.

Trips and their items are rows in the database. What a person is in the middle of, the answers to half of the questions
of the planner for example, is the state of a LiveView and nowhere else.
"""
