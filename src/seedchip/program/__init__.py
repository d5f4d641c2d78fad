"""The program: a plain value between compiler and devices, and its file."""

from seedchip.program.errors import ProgramError
from seedchip.program.file import load, save
from seedchip.program.program import Layer, Program, Segment, TensorPlace
from seedchip.program.verify import verify_program

__all__ = ["Layer", "Program", "ProgramError", "Segment", "TensorPlace", "load", "save", "verify_program"]
