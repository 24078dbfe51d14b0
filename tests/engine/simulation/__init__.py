"""The simulator: the real engine and the real sender in a world that is made of one seed. See ``simulation.py``."""
