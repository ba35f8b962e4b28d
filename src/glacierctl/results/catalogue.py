"""Which products a store holds: by listings, and by items that are read several at once."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from glacierctl.choices import Satellite
from glacierctl.errors import StoreError, UsageError
from glacierctl.model import Plan
from glacierctl.results.product import StoredProduct, read_product
from glacierctl.storage import Entry, Store
from glacierctl.storage.layout import images_prefix, plan_key, products_prefix

READERS = 32
"""Threads that read items: a store far away takes a moment for each."""
_SINGLY = 32
"""Up to so many regions are listed one by one; more, and all of the satellite's are."""


@dataclass(frozen=True)
class Wanted:
    """Which products are meant."""

    satellites: tuple[Satellite, ...] = tuple(Satellite)
    """Missions."""
    regions: frozenset[str] | None = None
    """Names of regions; none: all."""
    products: frozenset[tuple[str, str]] | None = None
    """(region, product), such as those of a run; none: all."""

    def holds(self, region: str, product: str) -> bool:
        """Whether a product is meant."""
        in_regions = self.regions is None or region in self.regions
        return in_regions and (self.products is None or (region, product) in self.products)


@dataclass(frozen=True)
class Listed:
    """A product by its name, before its item is read."""

    satellite: Satellite
    """Mission."""
    region: str
    """Region's name."""
    name: str
    """Product's name."""
    item: Entry
    """Of its item."""


@dataclass(frozen=True)
class Listing:
    """What a store's listings tell."""

    products: tuple[Listed, ...]
    """Those with an item: whole. By satellite, region and name."""
    unfinished: tuple[str, ...]
    """Keys of images without an item: being made, or left by a worker that died."""


@dataclass(frozen=True)
class Read:
    """Items that were read."""

    products: tuple[StoredProduct, ...]
    """By region, time and name."""
    broken: tuple[StoreError, ...]
    """What is wrong with the others."""


def region_names(store: Store, satellites: Sequence[Satellite]) -> tuple[str, ...]:
    """Names of the regions that a store has products of, sorted.

    Raises:
        StoreError: the store cannot be listed.
    """
    return tuple(sorted({name for one in satellites for name in store.folders(images_prefix(one))}))


def wanted_of_run(store: Store, run_id: str) -> Wanted:
    """All products that a run planned, whether it made them or found them there.

    Raises:
        UsageError: the store has no such run.
        StoreError: its plan cannot be read.
    """
    content = store.get(plan_key(run_id))
    if content is None:
        raise UsageError(
            f"there is no run {run_id}",
            why=f"{plan_key(run_id)} is not in {store.url}",
            hint="Say the whole id of the run, and with --output where its results are.",
        )
    try:
        plan = Plan.model_validate_json(content)
    except ValueError as error:
        raise StoreError(
            f"{plan_key(run_id)} in {store.url} is not understood",
            why="it was written by another version of glacierctl",
            hint="Use that one, or name the regions with --regions.",
        ) from error
    products = frozenset((region, one.product) for region, found in plan.acquisitions for one in found)
    return Wanted((plan.request.satellite,), products=products)


def list_products(store: Store, wanted: Wanted) -> Listing:
    """List what is wanted of a store; no item is read.

    Raises:
        StoreError: the store cannot be listed.
    """
    products, unfinished = [], []
    for satellite in wanted.satellites:
        images, items = _by_suffix(satellite, store, wanted)
        products += [Listed(satellite, *names, entry) for names, entry in sorted(items.items())]
        unfinished += [entry.key for names, entry in sorted(images.items()) if names not in items]
    return Listing(tuple(products), tuple(unfinished))


def read_products(store: Store, listed: Sequence[Listed], on_read: Callable[[], None] = lambda: None) -> Read:
    """Read items, several at once; what vanished since the listing is left out.

    Args:
        store: where they lie.
        listed: the products.
        on_read: told after each.

    Raises:
        StoreError: the store does not answer.
    """

    def read(one: Listed) -> StoredProduct | StoreError | None:
        content = store.get(one.item.key)
        on_read()
        if content is None:
            return None
        try:
            return read_product(one.satellite, one.region, one.name, content, store.url)
        except StoreError as error:
            return error

    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(read, listed))
    products = [one for one in found if isinstance(one, StoredProduct)]
    products.sort(key=lambda one: (one.region, one.acquired_at, one.name))
    return Read(tuple(products), tuple(one for one in found if isinstance(one, StoreError)))


_Names = tuple[str, str]


def _by_suffix(satellite: Satellite, store: Store, wanted: Wanted) -> tuple[dict[_Names, Entry], dict[_Names, Entry]]:
    """(images, items) by region and product."""
    images: dict[_Names, Entry] = {}
    items: dict[_Names, Entry] = {}
    kinds = {"tif": images, "json": items}
    for prefix in _prefixes(satellite, wanted):
        for entry in store.listing(prefix):
            region, _, file = entry.key.removeprefix(images_prefix(satellite)).partition("/")
            name, _, suffix = file.rpartition(".")
            if suffix in kinds and "/" not in file and wanted.holds(region, name):
                kinds[suffix][region, name] = entry
    return images, items


def _prefixes(satellite: Satellite, wanted: Wanted) -> Iterator[str]:
    regions = wanted.regions
    if regions is None and wanted.products is not None:
        regions = frozenset(region for region, _ in wanted.products)
    if regions is None or len(regions) > _SINGLY:
        yield images_prefix(satellite)
    else:
        yield from (products_prefix(satellite, region) for region in sorted(regions))
