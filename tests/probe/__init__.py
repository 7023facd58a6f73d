"""The project for the tests of the layer: a small library of books, and views for all kinds of requests.

It is an example of a project that has added `observability/`: it imports nothing from `service/` or `settings/`.
"""
