"""The chip as hardware, in Amaranth, elaborated from a `ChipSpec`. It runs the same program bytes as the simulator."""
