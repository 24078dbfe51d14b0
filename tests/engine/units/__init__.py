"""The core's parts one by one, each beside something slower and more obvious."""
