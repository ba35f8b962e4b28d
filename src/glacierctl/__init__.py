"""glacierctl: stacks of co-gridded Sentinel-2 and Landsat images of glacier regions."""

from importlib.metadata import version

__version__ = version("glacierctl")
