"""How it is run: settings, secrets, the demo document."""
