"""The chip on an FPGA board: core, on-chip memory and a serial line; synthesis, place and route, bitstream."""
