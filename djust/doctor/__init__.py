"""Asks Redis, broker, worker, beat and database what no look at the settings can tell.

``examination.examine()`` returns findings; ``manage.py djust_doctor`` prints them.
"""
