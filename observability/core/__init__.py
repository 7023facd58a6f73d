"""The Observation, the record of one unit of work, and the contract of its readers. Standard library only."""
