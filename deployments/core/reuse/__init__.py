"""Pure logic of prefix reuse, shared by assembly and the engine side."""
