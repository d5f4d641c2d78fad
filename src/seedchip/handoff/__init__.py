"""The hand-off: everything about one chip that the team which makes it real asks for first, as files of one folder."""
