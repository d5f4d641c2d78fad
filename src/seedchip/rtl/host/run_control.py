"""The beginning and the end of runs."""

from __future__ import annotations

from enum import IntEnum

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

RESET_CYCLES = 2
"""Cycles of reset before a run; in the first one the core takes the program's place and length from the registers."""


class State(IntEnum):
    """Where a run stands."""

    EMPTY = 0
    """nothing has run: the core is in reset"""
    STOPPING = 1
    """memory's answers to what ran before are awaited"""
    RESET = 2
    RUNNING = 3
    ENDED = 4
    """the core shows what the run has left in its counters"""


class RunControl(wiring.Component):
    """Takes the host's ``start`` and ``clear``, and brings the core to its first cycle and to a stop.

    ``stop`` asks the memory's side to end its traffic, which it has done with ``stopped`` and ``quiet``; a fault asks
    for it too.
    ``ended_well`` and ``ended_badly`` are strobes.
    """

    def __init__(self) -> None:
        super().__init__({
            "start": In(1),
            "clear": In(1),
            "running": Out(1),
            "done": Out(1),
            "fault": Out(1),
            "ended_well": Out(1),
            "ended_badly": Out(1),
            "core_reset": Out(1, init=1),
            "core_done": In(1),
            "core_fault": In(1),
            "stop": Out(1),
            "stopped": In(1),
            "quiet": In(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        state, again = Signal(State), Signal()  # again: a run begins when the one before has been stopped
        wait = Signal(range(RESET_CYCLES))
        m.d.comb += [
            self.running.eq((state == State.RUNNING) | (state == State.RESET) | (state == State.STOPPING)),
            self.done.eq(state == State.ENDED), self.fault.eq(self.done & self.core_fault),
            self.stop.eq((state == State.EMPTY) | (state == State.STOPPING) | self.fault),
        ]
        with m.Switch(state):
            with m.Case(State.RUNNING), m.If(self.core_done):
                m.d.sync += state.eq(State.ENDED)
                m.d.comb += [self.ended_well.eq(~self.core_fault), self.ended_badly.eq(self.core_fault)]
            with m.Case(State.STOPPING), m.If(self.stopped & self.quiet):
                m.d.sync += [state.eq(State.EMPTY), self.core_reset.eq(1)]
                with m.If(again):
                    m.d.sync += [state.eq(State.RESET), wait.eq(RESET_CYCLES - 1)]
            with m.Case(State.RESET):
                m.d.sync += wait.eq(wait - 1)
                with m.If(wait == 0):
                    m.d.sync += [state.eq(State.RUNNING), self.core_reset.eq(0)]
        with m.If(self.clear):
            m.d.sync += again.eq(0)
            with m.If(state != State.EMPTY):
                m.d.sync += state.eq(State.STOPPING)
        with m.Elif(self.start & ~self.running):
            m.d.sync += [state.eq(State.STOPPING), again.eq(1)]
        return m
