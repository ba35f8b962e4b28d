"""A product that is there already, as its item tells of it."""

from typing import Any

from odc.geo.geobox import GeoBox

from glacierctl.model import Acquisition, Task


def resampling_of(item: Any) -> Any:
    """The kernel that an item says its image was made with."""
    return item["properties"].get("glacierctl:resampling")


def grid_of(item: Any) -> tuple[Any, ...]:
    """The grid that an item says its image lies on."""
    properties = item["properties"]
    return (properties["proj:code"], *properties["proj:shape"], *properties["proj:transform"])


def grid_words(grid: GeoBox) -> tuple[Any, ...]:
    """A grid as items write it."""
    return (str(grid.crs), grid.height, grid.width, *list(grid.affine)[:6])


def compare(item: Any, acquisition: Acquisition, task: Task) -> str:
    """How an existing product differs from the one that would be made now."""
    made_with = resampling_of(item)
    known = {link.get("title") for link in item["links"] if link["rel"] == "derived_from"}
    new = [scene.item_id for scene in acquisition.scenes if scene.item_id not in known]
    differences = [f"the catalogue has {len(new)} more of its scenes now"] if new else []
    if made_with != task.options.resampling:
        differences.append(f"it was made with {made_with} resampling, not {task.options.resampling}")
    return "; ".join(["it exists", *differences]) + ("; --overwrite makes it anew" if differences else "")
