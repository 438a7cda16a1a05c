"""Ends a worker process whose starter is gone: nobody waits for its results, and it would hold its memory for ever."""

import multiprocessing
import os
import threading


def end_with_starter() -> None:
    """To be called at a worker's start; from then on it ends at once, whatever it does, when its starter has ended.

    The starter, not the process this one was forked from: that one may live as long as its children.
    """
    threading.Thread(target=_wait, name="orphan watch", daemon=True).start()


def _wait() -> None:
    starter = multiprocessing.parent_process()
    if starter is not None:
        starter.join()
        os._exit(1)
