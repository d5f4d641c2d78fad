"""Work that is measured in a process of its own: cold, and with a peak memory that belongs to it alone.

`python -m seedchip.bench.worker JOB FILE FEEDS` prints one line of JSON; see `JOBS`. Seconds are the least of a few
repetitions, since other work on the machine only adds.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

REPETITIONS = 5


def measure_seconds(work: Callable[[], object], repetitions: int = REPETITIONS) -> dict[str, float]:
    """Least wall and processor seconds of one call (processor seconds over all threads of this process)."""
    walls, processors = [], []
    for _ in range(repetitions):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return {"wall_seconds": min(walls), "cpu_seconds": min(processors)}


def peak_memory_bytes() -> int:
    """Largest resident size of this process so far: Linux's VmHWM, in KiB. (getrusage's figure is no use: a process
    that was forked begins with its parent's.)"""
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def simulate_program(path: str, feeds: str) -> dict[str, Any]:
    """Times timing alone, and values, of a program file on `micro`."""
    from seedchip.program import load as load_program
    from seedchip.simulator import SimulatedDevice, simulate
    from seedchip.spec import load

    spec = load("micro")
    program = load_program(path, spec)
    instructions = program.instructions
    timing = measure_seconds(lambda: simulate(instructions, spec))
    device, inputs = SimulatedDevice(program, spec), _read(feeds)
    first = measure_seconds(lambda: device.run(inputs), 1)
    values = measure_seconds(lambda: device.run(inputs))
    return {"timing": timing, "first": first, "values": values, "cycles": device.timeline.cycles,
            "instructions": len(instructions), "peak_memory_bytes": peak_memory_bytes()}


def infer_binary32(path: str, feeds: str) -> dict[str, Any]:
    """Times ONNX Runtime on the same model and feeds."""
    from seedchip.bench.trial import reference_session

    session, inputs = reference_session(path), _read(feeds)
    return {"values": measure_seconds(lambda: session.run(None, inputs)), "peak_memory_bytes": peak_memory_bytes()}


JOBS: dict[str, Callable[[str, str], dict[str, Any]]] = {"simulate": simulate_program, "infer": infer_binary32}


def run_job(job: str, path: str, feeds: str) -> dict[str, Any]:
    """A job's figures, measured in a new process. Raises `subprocess.CalledProcessError`."""
    command = [sys.executable, "-m", "seedchip.bench.worker", job, path, feeds]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def run_cold(arguments: Sequence[str]) -> dict[str, float]:
    """Wall and processor seconds of a `seedchip` command in a new process, its start and imports included."""
    command = [sys.executable, "-c", "from seedchip.cli.main import main; main()", *arguments]
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_seconds": wall, "cpu_seconds": used}


def _read(feeds: str) -> dict[str, np.ndarray]:
    with np.load(feeds, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


if __name__ == "__main__":
    print(json.dumps(JOBS[sys.argv[1]](sys.argv[2], sys.argv[3])))
