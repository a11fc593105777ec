"""Cases of `bench/parallel.py`."""
