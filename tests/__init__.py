"""The tests, sorted by what they need: nothing, sockets, a store, a browser."""
