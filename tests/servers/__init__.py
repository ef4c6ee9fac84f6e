"""Real servers for tests, on free ports, in temporary directories, ended for sure.

Each launcher is a context manager: entering starts the server and waits until it answers, leaving ends it. A process
that outlives its test is ended by the reaper when pytest is gone, however it went.
"""
