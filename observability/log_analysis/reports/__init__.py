"""One module for each subcommand of `logs`: it has the name of the subcommand."""
