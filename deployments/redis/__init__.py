"""Redis: connection, circuit breaker, names of keys, and the embedded server."""
