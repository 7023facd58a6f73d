"""On the way to the server: a spool of files, and the thread that sends them."""
