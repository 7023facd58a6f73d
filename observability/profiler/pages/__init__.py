"""The pages of the room: the last calls, one call, two calls side by side."""
