"""Proofs about hardware units: a harness in Amaranth, through Yosys to an and-inverter graph, decided by ABC.

The usual method is property directed reachability (`pdr`, IC3): what it proves holds in every reachable cycle, without
bound.
A harness starts with every register and memory at an unknown value and one cycle of reset, so a proof never leans on
what a simulator's zeros hide; properties and assumptions count from the first cycle after reset.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, MappingProxyType

from amaranth import ClockDomain, Elaboratable, Module, Mux, Signal
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Value, ValueLike
from amaranth.lib import wiring

ALIVE = "alive"
COARSE = (
    "hierarchy -top top", "proc", "flatten", "delete t:$meminit t:$meminit_v2", "setattr -unset init w:*",
    f"setattr -set init 1'0 w:{ALIVE}", "chformal -lower", "opt -full -nosdff -nodffe", "memory -nomap", "memory_map",
    "opt -full -nosdff -nodffe")
FINE = ("techmap", "opt -nosdff -nodffe", "dffunmap", "simplemap", "opt_clean", "aigmap")
"""From Amaranth's RTLIL to and-inverter graph; the only register with a known first value is `ALIVE`."""
ANSWERS = {r"Property proved": True, r"was asserted in frame": False, r"\bUNSATISFIABLE": True, r"\bSATISFIABLE": False}
"""What ABC prints, in the order in which it is looked for. A reduction may leave no registers: then `sat` decides. Two
frames decide where the first one begins in any state; a given number is a bounded proof."""
UNROLL = "techmap -map {folder}/wires.v"
WIRES = """\
(* techmap_celltype = "$_DFF_P_" *) module wire_instead_of_register(input C, D, output Q); assign Q = D; endmodule
"""


class Bench(Elaboratable):
    """A module ``m`` around units under proof, with free inputs, assumptions and properties.

    With ``any_state`` there is no reset and properties are about a cycle after one in any state, reachable or not.
    """

    def __init__(self, any_state: bool = False) -> None:
        self.m, self.num_properties, self.any_state = Module(), 0, any_state
        self._clock = ClockDomain("sync")
        self.ports: list[Signal] = [self._clock.clk]
        self._alive = Signal(name=ALIVE, reset_less=True)
        self.m.domains += self._clock
        self.m.d.sync += self._alive.eq(1)
        self.m.d.comb += self._clock.rst.eq(0 if any_state else ~self._alive)

    def free(self, shape: object = 1, name: str | None = None) -> Signal:
        """A signal that may have any value in every cycle."""
        signal = Signal(shape, name=name or f"free_{len(self.ports)}")  # type: ignore[arg-type]
        self.ports.append(signal)
        return signal

    def constant(self, shape: object, name: str) -> Signal:
        """An unknown value that stays the same."""
        if self.any_state:
            signal = self.free(shape, name)
            self.assume(~self._alive | (signal == self.before(signal)))
            return signal
        signal = Signal(shape, name=name, reset_less=True)  # type: ignore[arg-type]
        self.m.d.sync += signal.eq(Mux(self._alive, signal, self.free(shape, f"{name}_first")))
        return signal

    def unit(self, name: str, component: object, free: str = "") -> None:
        """Add a unit, its inputs in ``free`` (names between spaces) with any values; the harness drives the rest."""
        self.m.submodules[name] = component
        self.inputs(component, free)

    def inputs(self, component: object, free: str) -> None:
        for port in free.split():
            self.m.d.comb += getattr(component, port).eq(self.free(Value.cast(getattr(component, port)).shape(), port))

    def before(self, value: Value) -> Signal:
        """``value`` one cycle earlier."""
        signal = Signal(value.shape(), name="before")
        self.m.d.sync += signal.eq(value)
        return signal

    def assume(self, holds: ValueLike) -> None:
        with self.m.If(self._alive | self.any_state):
            self.m.d.comb += Assume(holds)

    def always(self, holds: ValueLike) -> None:
        """The property, or one of several."""
        self.num_properties += 1
        with self.m.If(self._alive):
            self.m.d.comb += Assert(holds)

    def elaborate(self, platform: object) -> Module:
        return self.m


class Elaborated(wiring.Component):
    """A component that has been elaborated already, so that a harness can look into its ``module``."""

    def __init__(self, module: Module) -> None:
        self.module = module
        super().__init__({})

    def elaborate(self, platform: object) -> Module:
        return self.module


@dataclass(frozen=True)
class Mutant:
    """A change of one place of a module's source, with which a proof must fail."""

    module: str
    old: str
    new: str


@dataclass(frozen=True)
class Proof:
    """A property (a sentence), the harness that states it, and the mutant that breaks it."""

    name: str
    sentence: str
    module: str
    """what it is about"""
    build: Callable[[], Bench]
    mutant: Mutant
    stateless: bool = field(default=False)
    """registers are wires: a pipeline without feedback, decided for all inputs at once by combinational checking"""
    frames: int = 0
    """cycles from reset on that are looked at; 0: without bound"""
    apart: bool = field(default=False)
    """its properties are decided one by one: faster where they have little in common"""
    cut: str = ""
    """Yosys selection of cells whose outputs are taken as free"""


def holds(proof: Proof, seconds: int = 120) -> bool:
    """Whether the property holds in every reachable cycle. Raises `RuntimeError` when that is not known in time."""
    with tempfile.TemporaryDirectory(prefix="seedchip-formal-") as name:
        folder = Path(name)
        bench = proof.build()
        (folder / "top.il").write_text(rtlil.convert(bench, name="top", ports=bench.ports, emit_src=False), "utf-8")
        (folder / "wires.v").write_text(WIRES, "utf-8")
        unrolled = [UNROLL.format(folder=folder), "opt"] if proof.stateless else []
        cut = [f"cutpoint {proof.cut}"] if proof.cut else []
        commands = [f"read_rtlil {folder}/top.il", *COARSE, *cut, *FINE[:-1], *unrolled, FINE[-1],
                    f"write_aiger {folder}/top.aig"]
        _synthesise(commands)
        read = f"read_aiger {folder}/top.aig"
        if proof.stateless:
            return _ask_abc(f"{read}; sat", seconds)
        if bench.any_state or proof.frames:
            frames = proof.frames or 2
            bounded = f"{read}; logic; undc; strash; fold; orpos; bmc3 -F {frames} -T {seconds}"
            return _ask_abc(bounded, seconds, {rf"No output asserted in {frames} frames": True})
        decide = f"scorr; pdr -T {seconds}; sat"
        if not proof.apart:
            return _ask_abc(f"{read}; logic; undc; strash; fold; orpos; {decide}", seconds)
        return all(_ask_abc(f"{read}; logic; undc; strash; fold; cone -O {i}; {decide}", seconds)
                   for i in range(bench.num_properties))


def _synthesise(commands: list[str]) -> None:
    from pyosys import libyosys

    design = libyosys.Design()
    with contextlib.redirect_stdout(io.StringIO()):
        for command in commands:
            libyosys.run_pass(f"tee -q {command}", design)


def _ask_abc(commands: str, seconds: int, answers: Mapping[str, bool] = MappingProxyType({})) -> bool:
    import pyosys

    abc = Path(pyosys.__file__).parent / "yosys-abc"
    done = subprocess.run([str(abc), "-q", commands], capture_output=True, text=True, timeout=2 * seconds, check=False)
    for word, answer in {**ANSWERS, **answers}.items():
        if re.search(word, done.stdout):
            return answer
    raise RuntimeError(f"undecided: {(done.stdout + done.stderr)[-600:]}")


@contextlib.contextmanager
def mutated(mutant: Mutant) -> Iterator[None]:
    """The methods of the module's classes and its functions are those of the changed source for a while."""
    module = importlib.import_module(mutant.module)
    source = inspect.getsource(module)
    if source.count(mutant.old) != 1:
        raise LookupError(f"{mutant.module} must hold {mutant.old!r} once, not {source.count(mutant.old)} times: "
                          "adapt the proof's mutant to the unit as it is now")
    changed = {"__name__": mutant.module}
    exec(compile(source.replace(mutant.old, mutant.new), str(module.__file__), "exec"), changed)
    kept: list[tuple[type, str, object]] = []
    for owner in [v for v in vars(module).values() if inspect.isclass(v) and v.__module__ == mutant.module]:
        for name, method in vars(changed[owner.__name__]).items():
            static = isinstance(method, staticmethod)
            function = method.__func__ if static else method
            if inspect.isfunction(function) and name != "__init__":
                kept.append((owner, name, vars(owner)[name]))
                same_globals = FunctionType(function.__code__, vars(module), name, function.__defaults__,
                                            function.__closure__)
                setattr(owner, name, staticmethod(same_globals) if static else same_globals)
    try:
        yield
    finally:
        for owner, method, value in kept:
            setattr(owner, method, value)
