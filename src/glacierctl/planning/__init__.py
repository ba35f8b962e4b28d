"""From a request to a plan: STAC search, scenes, acquisitions."""
