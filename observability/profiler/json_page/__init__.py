"""The page of a JSON answer that a developer opens in a browser."""
