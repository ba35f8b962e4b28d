"""What the shell offers when a name of a region is being typed."""

from glacierctl.errors import GlacierctlError


def complete_regions(incomplete: str) -> list[str]:
    """Complete the last of several names: `163_Bowdoin,19` -> `163_Bowdoin,190_Academy`, `163_Bowdoin,191_...`."""
    chosen, comma, begun = incomplete.rpartition(",")
    taken = set(chosen.split(","))
    names = [name for name in (*_names(), "all") if name not in taken and name.lower().startswith(begun.lower())]
    return [f"{chosen}{comma}{name}" for name in names]


def _names() -> list[str]:
    """Names of all regions; none if the settings or the imported regions are broken, which a real command tells."""
    from glacierctl.config import current_settings
    from glacierctl.regions.catalogue import RegionCatalogue

    try:
        catalogue = RegionCatalogue.load(current_settings({}).data_dir)
    except GlacierctlError:
        return []
    return [region.name for region in catalogue.regions]
