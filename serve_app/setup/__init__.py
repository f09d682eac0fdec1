"""Set-up: the virtual environment, and the models that the application carries."""
