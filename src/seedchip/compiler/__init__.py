"""The compiler: a quantised graph in, a program out."""

from seedchip.compiler.pipeline import Compilation, compile_graph, compile_levels
from seedchip.compiler.placement import CompileError

__all__ = ["Compilation", "CompileError", "compile_graph", "compile_levels"]
