"""Records of the agents: tickets, business templates, ideas, and responses kept for repeated calls."""
