"""How long it takes to list very many runs: in a fresh process without an index, in the next one with it, and again.

    python benchmarks/run_listing.py [runs]

Writes records of made-up runs into a temporary folder; prints one JSON object, seconds by the clock and of the processor.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIST = """
import json, sys, time
from pathlib import Path
from cifake_core.detectors import runs
from cifake_core.store.workspace import Workspace
found = []
for _ in range(2):
    clock, processor = time.perf_counter(), time.process_time()
    count = len(runs.runs(Workspace(Path(sys.argv[1]))))
    found.append({"runs": count, "clock_s": round(time.perf_counter() - clock, 3), "processor_s": round(time.process_time() - processor, 3)})
print(json.dumps(found))
"""


def record(seed: int) -> dict:
    figure = {"n": 20_000, "accuracy": 0.9, "low": 0.89, "high": 0.91}
    settings = {"topology": "32x2-64x1", "seed": seed, "epochs": 10, "batch_size": 64, "learning_rate": 1e-3, "patience": 3}
    files = ("weights.safetensors", "history.json", "predictions-test.parquet", "predictions-validation.parquet")
    return {
        "dataset": "made-up", "dataset_digest": "a" * 64, "settings": settings, "parameters": 270_000, "best_epoch": 7,
        "epochs": 10, "duration_s": 100.0, "created_at": f"2026-01-01T00:00:00.{seed:06d}", "hardware": "none",
        "validation": figure, "test": figure, "sha256": dict.fromkeys(files, "b" * 64),
    }  # fmt: skip


def main(count: int) -> dict:
    with tempfile.TemporaryDirectory() as home:
        for seed in range(count):
            folder = Path(home) / "runs" / f"32x2-64x1-s{seed}-{seed:010x}"
            folder.mkdir(parents=True)
            (folder / "record.json").write_text(json.dumps(record(seed), indent=2))
        time.sleep(1)  # the disk has its own work to finish
        found = []
        for _ in range(2):
            done = subprocess.run([sys.executable, "-c", LIST, home], capture_output=True, text=True, check=True)
            found.append(json.loads(done.stdout))
    (cold, again), (indexed, indexed_again) = found
    return {"fresh process, no index": cold, "again": again, "next process, index": indexed, "and again": indexed_again}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000), indent=1))
