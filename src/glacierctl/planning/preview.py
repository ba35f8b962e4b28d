"""A plan beside what the store holds: what is still to do, and what that will take."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from glacierctl.model import RESOLUTION_M, Acquisition, Plan
from glacierctl.planning.estimate import Estimate, estimate
from glacierctl.planning.footprints import Projector
from glacierctl.storage import Store
from glacierctl.storage.layout import products_prefix

_LISTERS = 16
"""Threads that list."""
_ITEM_SUFFIX = ".json"
"""A product's STAC item is written last: where it is, the product is whole."""


class State(StrEnum):
    """What would become of an acquisition if the plan were carried out now."""

    TO_DO = "to do"
    EXISTS = "exists"
    LITTLE_OVERLAP = "too little overlap"


@dataclass(frozen=True, slots=True)
class PreviewedAcquisition:
    """One acquisition."""

    acquisition: Acquisition
    """What it is."""
    state: State
    """What would become of it."""
    estimate: Estimate
    """What it will take; nothing unless it is to do."""


@dataclass(frozen=True, slots=True)
class RegionPreview:
    """All acquisitions of one region."""

    region: str
    """Its name."""
    acquisitions: tuple[PreviewedAcquisition, ...]
    """In order of time."""

    def count(self, state: State) -> int:
        """How many acquisitions are in this state."""
        return sum(one.state is state for one in self.acquisitions)

    @property
    def superseded(self) -> int:
        """How many scenes only fill the gaps of others."""
        return sum(len(one.acquisition.superseded) for one in self.acquisitions)

    @property
    def estimate(self) -> Estimate:
        """What it all will take, one after the other."""
        return Estimate.total(one.estimate for one in self.acquisitions)


def preview(plan: Plan, store: Store, *, cores: int) -> tuple[RegionPreview, ...]:
    """Compare a plan with a store, region by region in the plan's order. Reads keys, and nothing else.

    Args:
        plan: what is asked for.
        store: where the products would go.
        cores: how many would work.

    Raises:
        StoreError: the store cannot be listed.
        RegionError: a region has no whole number of pixels.
    """
    regions = {region.name: region for region in plan.request.regions}
    sizer = partial(estimate, resolution_m=RESOLUTION_M[plan.request.satellite], cores=cores, projector=Projector())
    previews = []
    for (name, acquisitions), existing in zip(plan.acquisitions, _all_existing(plan, store), strict=True):
        states = ((one, _state(one, plan, existing)) for one in acquisitions)
        previewed = (
            PreviewedAcquisition(one, state, sizer(one, regions[name]) if state is State.TO_DO else Estimate())
            for one, state in states
        )
        previews.append(RegionPreview(name, tuple(previewed)))
    return tuple(previews)


def _all_existing(plan: Plan, store: Store) -> list[frozenset[str]]:
    """Names of the products that each region has: one listing each, several at once, for each may be far away."""
    if plan.request.options.overwrite:
        return [frozenset()] * len(plan.acquisitions)

    def existing(name: str, acquisitions: tuple[Acquisition, ...]) -> frozenset[str]:
        return _existing(plan, name, store) if acquisitions else frozenset()

    with ThreadPoolExecutor(_LISTERS) as pool:
        return list(pool.map(existing, *zip(*plan.acquisitions, strict=True)))


def _existing(plan: Plan, region: str, store: Store) -> frozenset[str]:
    """Names of the products that a region has."""
    prefix = products_prefix(plan.request.satellite, region)
    keys = (key.removeprefix(prefix) for key in store.list(prefix))
    return frozenset(key.removesuffix(_ITEM_SUFFIX) for key in keys if key.endswith(_ITEM_SUFFIX))


def _state(acquisition: Acquisition, plan: Plan, existing: frozenset[str]) -> State:
    if acquisition.product in existing:
        return State.EXISTS
    little = acquisition.cannot_cover(plan.request.options.min_coverage)
    return State.LITTLE_OVERLAP if little else State.TO_DO
