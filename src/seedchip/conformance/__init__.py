"""What any body of the chip must do: generated programs at the edges of every field, and random legal programs."""
