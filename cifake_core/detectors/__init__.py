"""Detectors: the paper's topologies, how they are trained, and the runs that result."""
