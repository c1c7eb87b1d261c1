"""How often the watch of a new release is wrong, and how soon it is right, with the real classes and made-up traffic.

`failing.py`: failures; `slow.py`: slowness; `blaming.py`: who is to blame. `python -m tests.simulation` prints all of
it as tables; what comes out for one seed is always the same.
"""
