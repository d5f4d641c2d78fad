"""The core as a compiled program beside the exact simulator."""
