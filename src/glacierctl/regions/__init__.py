"""The catalogue of regions and their grids."""
