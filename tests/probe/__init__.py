"""The project that the layer's tests observe: a small library of books, with a view for each way a request can go.

It stands for a project that adopted `observability/`: it imports nothing of `service/` or `settings/`.
"""
