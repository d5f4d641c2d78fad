"""The systolic matrix engine."""
