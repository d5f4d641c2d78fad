"""The exact simulator: values (`values`) and time (`timing`) of a program."""
