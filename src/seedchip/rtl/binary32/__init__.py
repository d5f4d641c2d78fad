"""IEEE-754 binary32 arithmetic, round to nearest even."""
