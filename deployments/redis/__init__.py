"""Redis: one server, a Sentinel group or a cluster; names of keys; and the embedded server."""
