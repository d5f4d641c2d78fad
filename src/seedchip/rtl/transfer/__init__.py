"""Load and store engines."""
