"""The HTTP API: each resource has its routes and the bodies of its requests and responses."""
