"""Grading of the book's assignments: run each submission in a process of its own, and check its answers from outside.

A submission's code runs in `worker`, under limits of time, memory and output. The checks run here, in the grader, which
asks the worker for values and for results of calls. So a submission never meets the checks, and nothing that it does
to its own process (its libraries, its files, its memory) can change a mark. What comes back is JSON that holds numbers,
text and arrays (`wire`); nothing is unpickled.
"""
