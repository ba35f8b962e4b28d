"""glacierctl: stacks of co-gridded Sentinel-2 and Landsat images of glacier regions."""

__version__ = "0.1.0"
