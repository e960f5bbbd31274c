"""_production."""
