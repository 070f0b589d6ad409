"""The figures the product is held to; `python -m benchmarks` measures and prints them.

A module `bench_<name>.py` has `run()`, which returns figures as `{name, value, unit, goal, against}`, and may
name them beforehand in `FIGURES`. A value of None was not measured; `against` then says why.
"""
