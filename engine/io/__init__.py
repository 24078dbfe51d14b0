"""What the writer reads and writes: commands, the conditional append, the lease, the clock."""
