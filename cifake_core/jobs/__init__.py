"""Long work in detached processes: any registered step, its state in SQLite, its life in a file lock.

Pages and the command line use `queue`; the rest is what keeps its promises.
"""
