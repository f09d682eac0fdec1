"""Who may call the API: stored keys, and the record of what administrators did."""
