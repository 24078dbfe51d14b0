"""The one writer. `core` and `distributions` are pure, `io` talks to the store, `runner` orders both."""
