"""The edge: sockets, the consumer, checkout and control interfaces, the pages. It decides nothing."""
