"""The floors: the smallest programs that make the same system calls. What we measure is a ratio to them."""
