"""How it is run: the `stanchion` command and the one-machine stack."""
