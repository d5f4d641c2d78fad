"""Synthesis with Yosys: cells, area against a library of the user's, memories and longest paths of each block."""
