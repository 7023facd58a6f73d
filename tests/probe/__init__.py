"""A project around the observability layer, with a view for each way in which a request can go."""
