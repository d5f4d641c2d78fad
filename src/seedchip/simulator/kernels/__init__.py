"""One vectorised kernel per instruction.

A kernel's ``prepare`` checks the instruction once and returns a function without arguments that executes it; addresses
are static, so checks and views are paid for once per program.
"""
