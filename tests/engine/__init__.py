"""The state machine: transcripts, one file a module, and slow obvious models beside seeded crowds."""
