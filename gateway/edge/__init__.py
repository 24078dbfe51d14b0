"""Bytes and descriptors: how a socket, an event stream or a poll is told frames. No domain."""
