"""The merchant's side of the gateway: what its endpoints take and give, and how they are answered."""
