"""The words both sides share: one file a module, every branch taken, nothing but this process needed."""
