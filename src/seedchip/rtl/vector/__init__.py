"""The binary32 vector engine."""
