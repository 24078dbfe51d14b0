"""The engine's pure core: commands and time in, events out. It never reads a clock, a socket or a store."""
