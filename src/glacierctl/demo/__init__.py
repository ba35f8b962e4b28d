"""An analytic glacier: known texture, known motion, in the real layout.

glacier     the scene as a function of position and time
passes      what three passes of Sentinel-2 see of it: cloud, orbit edge, radiometric offset
tiles       the real tile grids it is laid on, and the demo's region
raster      functions of position written as Cloud Optimized GeoTIFFs
catalogue   STAC items in the shape of Earth Search's
build       all of it in a folder
"""
