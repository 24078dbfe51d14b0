"""The two streams: commands out, events in. The only place of the gateway that talks to the store."""
