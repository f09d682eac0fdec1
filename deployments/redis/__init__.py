"""The Redis floor: connection, circuit breaker, names of entries, and the embedded server."""
