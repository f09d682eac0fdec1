"""Clients of the deployments over Serve's handles: each implements a port, and translates Ray's errors."""
