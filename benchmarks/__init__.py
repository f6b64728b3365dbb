"""What the simulator costs, side by side with what could be used instead: `make bench` (not part of the package).

To add a benchmark, write `measure(effort: Effort) -> Result` in a module of its own and a line in `registry.py`.
"""
