"""The gateway without a store: its pure parts, and the app in this process."""
