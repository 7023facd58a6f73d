"""The profile of a call: what it is made of, and the file in which the last ones are kept."""
