"""The Engine deployment as its callers and its replicas use it: choosing a replica, calling one or all."""
