"""Tickets, business templates and ideas, as they travel between deployments and are stored."""
