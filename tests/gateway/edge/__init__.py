"""The parked edge: pure parts first, then real sockets. Nothing here needs a store."""
