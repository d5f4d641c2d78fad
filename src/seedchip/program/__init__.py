"""The program: a plain value between compiler and devices, and its file."""

from seedchip.program.program import Layer, Program, Segment, TensorPlace

__all__ = ["Layer", "Program", "Segment", "TensorPlace"]
