"""Tests, which run beside each other: linear algebra has one thread in each process, as in the command line.

Two threads that wait for each other on a busy processor take ten times as long (tests/test_waiting.py).
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported
