"""Pure logic of prefix reuse, shared by agents and engine replicas."""
