"""SeedChip: an open AI-inference chip and the software that chooses it, builds it, programs it and serves from it."""

__version__ = "0.1.0"
