"""The record of one unit of work, and the contract of those who read it. Standard library only."""
