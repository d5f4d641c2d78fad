"""Chips between and beside the presets: all can be elaborated, and two that differ most from them run in lockstep."""

import dataclasses

import pytest
from amaranth.hdl import Fragment
from chips import NANO

from seedchip.conformance.random_programs import random_case
from seedchip.rtl.core import Core
from seedchip.rtl.hierarchy import SharedParts
from seedchip.spec import ChipSpec


def chip(name: str, **sections: dict[str, int]) -> ChipSpec:
    """`NANO` with other numbers."""
    changes = {section: dataclasses.replace(getattr(NANO, section), **numbers) for section, numbers in sections.items()}
    return dataclasses.replace(NANO, name=name, **changes)


def granule(num_bytes: int) -> dict[str, int]:
    return {"granule_bytes": num_bytes, "channel_bytes_per_cycle": num_bytes}


ARRAYS = [chip(f"{rows}x{columns}, {lanes} lanes", matrix={"rows": rows, "columns": columns}, vector={"lanes": lanes})
          for rows in (8, 16) for columns in (8, 16) for lanes in (4, 8, 16) if columns % lanes == 0]
OTHERS = [
    *(chip(f"{n} banks", scratchpad={"banks": n}) for n in (2, 32)),
    *(chip(f"{n} banks of sums", accumulator={"banks": n}) for n in (8,)),
    *(chip(f"queues of {n}", sequencer={"queue_depth": n}) for n in (256,)),
    *(chip(f"latency {n}", memory={"latency_cycles": n}) for n in (4, 64, 1000)),
    *(chip(f"granules of {n}", memory=granule(n)) for n in (1, 32)),
    *(chip(f"fetches of {n}", sequencer={"fetch_bytes": n}) for n in (65536,)),
]
LOW = chip("low", matrix={"rows": 8, "columns": 16, "pipeline_cycles": 5}, vector={"lanes": 4, "pipeline_cycles": 15},
           scratchpad={"banks": 2, "bytes": 16384}, accumulator={"banks": 8}, parameter={"bytes": 4096},
           memory={"latency_cycles": 4, **granule(16)}, sequencer={"queue_depth": 2, "fetch_bytes": 256})
"""The shortest pipelines, latency and queues, whole lines a cycle, two banks, rows of four groups."""
HIGH = chip("high", matrix={"rows": 16, "columns": 8, "pipeline_cycles": 9}, vector={"lanes": 8, "pipeline_cycles": 40},
            scratchpad={"banks": 32}, accumulator={"banks": 4}, memory={"latency_cycles": 67, **granule(2)},
            sequencer={"queue_depth": 64, "fetch_bytes": 4096})
"""Long pipelines and queues, two bytes a cycle, all banks that there can be, more rows than columns."""


@pytest.mark.parametrize("spec", [*ARRAYS, *OTHERS], ids=lambda spec: spec.name)
def test_a_chip_between_the_presets_is_elaborated(spec):
    core = Fragment.get(Core(spec), SharedParts())
    assert {name for _, name, _ in core.subfragments} >= {"fetch", "load", "store", "matrix", "vector", "scratchpad"}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spec", [LOW, HIGH], ids=lambda spec: spec.name)
def test_a_chip_unlike_the_presets_runs_in_lockstep(spec, seed):
    run = random_case(spec, 7000 + seed, 25).run(spec)
    assert run.cycles == run.timeline.cycles
