"""Set-up: builds the virtual environment, and downloads and converts the embedded models."""
