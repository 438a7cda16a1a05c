"""How many pictures of the demo world a second, rendered and encoded. Aim: 500/s on 2 idle cores.

    python -m benchmarks.demo_world_speed [pictures] [workers]

Prints the rate on the clock, and the processor time of one picture in this process: on a busy machine only the second
says something about the code.
"""

import os
import sys
import time

from cifake_core.generators.demo_world import render_many


def main(count: int = 4000, workers: int = 2) -> None:
    labels = [i % 10 for i in range(count)]
    render_many(labels[:20], range(20), workers=1)  # tables and imports
    best = min(_processor_ms(labels[:100], range(s, s + 100)) for s in range(0, 1000, 100))
    print(f"one process: {best:.2f} ms of processor time a picture (best of 10 × 100), {1000 / best:.0f} pictures/s")
    begin = time.perf_counter()
    render_many(labels, range(count), workers=workers)
    took = time.perf_counter() - begin
    print(
        f"{workers} workers: {count} pictures in {took:.1f} s with the start of the workers, {count / took:.0f} pictures/s"
    )
    print(f"load of the machine (1 min): {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def _processor_ms(labels: list[int], seeds: range) -> float:
    begin = time.process_time()
    render_many(labels, seeds, workers=1)
    return (time.process_time() - begin) / len(labels) * 1000


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
