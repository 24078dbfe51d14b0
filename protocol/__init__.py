"""The words both sides share, as data: the only package that the engine and the gateway both import. Pure."""
