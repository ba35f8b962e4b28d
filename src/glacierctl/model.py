"""The project's words as frozen, validated values (docs/architecture.md lists them).

Every value can be written as JSON and read back; unknown and missing fields are refused, so a task that was
planned by another version fails at the door instead of half-way.
"""

import datetime as dt
import hashlib
import json
import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from glacierctl.choices import Resampling, Satellite

GREENLAND_CRS = "EPSG:3413"
"""NSIDC Sea Ice Polar Stereographic North, true at 70 N, 45 W down the middle; what Greenland's ice is mapped in."""

SCHEMA_VERSION: Literal[1] = 1
"""Version of the task event and of the ledger. Changes only with the contracts in docs/architecture.md."""

RESOLUTION_M: dict[Satellite, float] = {Satellite.SENTINEL2: 10.0, Satellite.LANDSAT: 15.0}
"""Pixel size of the products: that of Sentinel-2's B08 and of Landsat's panchromatic band."""

_PATH_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _require_path_safe(text: str) -> str:
    if not _PATH_SAFE.fullmatch(text):
        msg = f"{text!r} may hold only letters, digits, '_', '-' and '.', and must begin with a letter or digit"
        raise ValueError(msg)
    return text


def _require_utc(moment: dt.datetime) -> dt.datetime:
    if moment.tzinfo is None:
        msg = f"{moment.isoformat()} has no time zone"
        raise ValueError(msg)
    return moment.astimezone(dt.UTC)


_FOOTPRINT_COARSENESS = 0.02
"""Share of a region by which an overlap may be wrong, since catalogues draw footprints with few corners."""

PathSafe = Annotated[str, AfterValidator(_require_path_safe)]
"""A name that is used as a folder or file name."""

UtcDatetime = Annotated[dt.datetime, AfterValidator(_require_utc)]

Share = Annotated[float, Field(ge=0, le=1)]
"""A part of a whole, 0-1."""

Affine6 = tuple[float, float, float, float, float, float]
"""Affine transform (a, b, c, d, e, f): x = a*col + b*row + c, y = d*col + e*row + f; rasterio's order."""

Bounds = tuple[float, float, float, float]
"""(xmin, ymin, xmax, ymax)."""


class Value(BaseModel):
    """Base of everything below: immutable, complete, nothing unknown."""

    # not use_attribute_docstrings: to read them from the sources takes a third of the start of a command
    model_config = ConfigDict(frozen=True, extra="forbid")


class Region(Value):
    """A named glacier box."""

    name: PathSafe
    """Unique in the catalogue; used as a folder name in the store."""
    bounds: Bounds
    """Outer edges of the outermost pixels, in `crs` metres. Taken exactly, never snapped."""
    crs: str = GREENLAND_CRS
    """CRS of the bounds and of the region's grid, as an authority code such as `EPSG:3413`. Metres."""
    tiles: tuple[str, ...] = ()
    """MGRS tiles in order of preference, like `19XEG`. Empty: every Sentinel-2 tile that overlaps is used."""

    @model_validator(mode="after")
    def _bounds_enclose_an_area(self) -> Self:
        xmin, ymin, xmax, ymax = self.bounds
        if not all(map(math.isfinite, self.bounds)) or xmin >= xmax or ymin >= ymax:
            msg = f"bounds {self.bounds} of {self.name}: xmin,ymin,xmax,ymax must be finite, min below max"
            raise ValueError(msg)
        return self

    @property
    def area_km2(self) -> float:
        """Area of the box in the plane of its CRS."""
        xmin, ymin, xmax, ymax = self.bounds
        return (xmax - xmin) * (ymax - ymin) / 1e6


class SourceFile(Value):
    """One band of one scene, as the catalogue describes it."""

    href: str
    """Where it lies: an https or s3 URL, or an absolute local path."""
    crs: str | None
    """CRS by the catalogue, as `EPSG:32619`. The file's own georeferencing, where it has one, goes before it."""
    transform: Affine6 | None
    """Pixel to CRS by the catalogue, for `shape`."""
    shape: tuple[int, int] | None
    """(height, width) in pixels by the catalogue."""
    size_bytes: int | None = None
    """Size of the file where the catalogue gives it."""
    requester_pays: bool = False
    """Whether each read is paid by the reader (Landsat in `s3://usgs-landsat`)."""


class Scene(Value):
    """One STAC item, reduced to what is used."""

    item_id: str
    """The item's id in its collection."""
    item_href: str
    """The item itself: URL or local path."""
    collection: str
    """Collection the item was found in; decides about radiometry."""
    satellite: Satellite
    """Mission."""
    platform: str
    """Spacecraft in the catalogue's words, in lower case with hyphens: `sentinel-2a`, `landsat-8`."""
    sensed_at: UtcDatetime
    """Acquisition time of this scene (for Sentinel-2 of this tile, not of the datatake)."""
    tile: str | None
    """MGRS tile such as `19XEG`; none for Landsat."""
    baseline: str | None
    """Sentinel-2 processing baseline `NN.NN`; none for Landsat."""
    generated_at: UtcDatetime | None
    """When the provider made this file set; the newer of two equal baselines is preferred."""
    source_name: str
    """Product name without `.SAFE` (Sentinel-2) or the Landsat product id; lineage names files after it."""
    scene_id: str | None = None
    """Landsat scene id such as `LC80330012024153LGN00`, part of the product name; none for Sentinel-2."""
    band: str
    """Band name in file names: `B08`, `B8` (Landsat panchromatic) or `B4` (TM near infrared)."""
    image: SourceFile
    """The band that becomes the product."""
    clouds: SourceFile | None
    """Scene classification (Sentinel-2 SCL) or quality bits (Landsat QA_PIXEL); none if the item has none."""
    cloud_cover: Share | None
    """Cloud cover of the whole scene by the catalogue; none if unknown."""
    offset_applied: bool | None
    """Earth Search's `earthsearch:boa_offset_applied`: the 1000 DN offset is already removed. None: not said."""
    footprint: tuple[tuple[tuple[float, float], ...], ...]
    """Outer rings of the area with data, as (longitude, latitude) in degrees."""

    @property
    def source_file(self) -> str:
        """Name of the image file in lineage tables."""
        return f"{self.source_name}_{self.band}.tif"


class Superseded(Value):
    """A scene that lost against another of the same tile and pass."""

    item_id: str
    """The one that lost."""
    by: str
    """Item id of the one that won."""
    reason: str
    """Why, in words."""


class Acquisition(Value):
    """What one pass saw of one region."""

    product: PathSafe
    """Name of the product that it becomes."""
    acquired_at: UtcDatetime
    """Start of the datatake (Sentinel-2) or time of the scene (Landsat)."""
    scenes: tuple[Scene, ...] = Field(min_length=1)
    """In mosaic order: the first valid pixel wins. Superseded scenes stand last and fill what is still nodata."""
    superseded: tuple[Superseded, ...] = ()
    """Which of the scenes only fill gaps, and why."""
    overlap: Share
    """Share of the region under the scenes' footprints."""

    def cannot_cover(self, share: float) -> bool:
        """Whether the footprints alone show that less than `share` of the region can have valid pixels."""
        return self.overlap + _FOOTPRINT_COARSENESS < share


class Options(Value):
    """How products are made."""

    resampling: Resampling = Resampling.CUBIC
    """Interpolation."""
    min_coverage: Share = 0.5
    """Below this share of valid pixels there is no product, but an outcome with the figure."""
    max_cloud: Share = 1.0
    """Above this share of cloud over the region's valid pixels there is no product. 1: clouds never matter."""
    overwrite: bool = False
    """Make products again that exist."""


class Request(Value):
    """What a user asks for."""

    satellite: Satellite
    """Mission."""
    regions: tuple[Region, ...] = Field(min_length=1)
    """Where."""
    start: dt.date
    """First day, inclusive, UTC."""
    end: dt.date
    """Last day, inclusive, UTC."""
    catalog: str
    """STAC API, or static catalogue: URL or local path."""
    collection: str
    """Collection searched."""
    options: Options = Options()
    """How."""

    @model_validator(mode="after")
    def _dates_in_order(self) -> Self:
        if self.start > self.end:
            msg = f"the start date {self.start} is after the end date {self.end}"
            raise ValueError(msg)
        return self


class Rejected(Value):
    """A scene that the catalogue returned and planning left out."""

    item_id: str
    """Its id."""
    reason: str
    """Why, in words."""


class Plan(Value):
    """Every acquisition of a request, region by region, with what is known before any pixel is read."""

    request: Request
    """What was asked."""
    acquisitions: tuple[tuple[str, tuple[Acquisition, ...]], ...]
    """(region name, its acquisitions in order of time), in the order of the request; empty ones are kept."""
    rejected: tuple[Rejected, ...] = ()
    """Scenes that the catalogue returned and that cannot be used."""
    matched: int = 0
    """How many items the catalogue said it had; all of them were received."""
    catalog_requests: int = 0
    """How many requests the search took."""

    def for_region(self, name: str) -> tuple[Acquisition, ...]:
        """Acquisitions of one region, in order of time."""
        return dict(self.acquisitions)[name]


class Task(Value):
    """One region and some of its acquisitions: all that a worker needs, so that it never searches."""

    schema_version: Literal[1] = Field(default=SCHEMA_VERSION, alias="schema")
    """Version of this event; written as `schema`."""
    run_id: PathSafe
    """The run it belongs to."""
    store_url: str
    """Where products and ledger go: a folder or an S3 prefix."""
    satellite: Satellite
    """Mission."""
    region: Region
    """Where."""
    resolution_m: float = Field(gt=0)
    """Pixel size of the grid."""
    acquisitions: tuple[Acquisition, ...] = Field(min_length=1)
    """What."""
    options: Options = Options()
    """How."""

    @property
    def task_id(self) -> str:
        """Computed from the content, so that delivering a task twice means the same task."""
        return f"{self.region.name}-{content_id(self.model_dump(mode='json', by_alias=True))}"


class OffsetDecision(Value):
    """Whether 1000 DN are taken off one file, and what says so."""

    item_id: str
    """The scene."""
    subtract_dn: int
    """What is taken off every valid pixel; 0 or 1000."""
    evidence: str
    """What decided, in words."""


class Usage(Value):
    """What it took."""

    bytes_read: int = 0
    """Bytes of scenes that were received, headers included."""
    requests: int = 0
    """Range requests, repeated ones included."""
    retries: int = 0
    """How many of the requests repeated one that failed."""
    paid_requests: int = 0
    """How many were answered from buckets that charge the reader."""
    seconds: float = 0.0
    """Wall time."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            bytes_read=self.bytes_read + other.bytes_read,
            requests=self.requests + other.requests,
            retries=self.retries + other.retries,
            paid_requests=self.paid_requests + other.paid_requests,
            seconds=self.seconds + other.seconds,
        )


class Product(Value):
    """The image exists."""

    outcome: Literal["product"] = "product"
    region: str
    """Region's name."""
    product: str
    """Product's name."""
    key: str
    """Key of the GeoTIFF in the store; .json and .png lie beside it."""
    coverage: Share
    """Share of the region with valid pixels."""
    cloud_share: Share | None
    """Share of cloud over the classified pixels of the region; none where nothing classifies them."""
    offsets: tuple[OffsetDecision, ...] = ()
    """What was done about the radiometric offset, scene by scene."""
    usage: Usage
    """What it took."""


Reason = Literal["exists", "coverage", "cloud", "no valid pixels", "deadline", "cancelled"]
"""Why there is no new product, in one word, for counting."""


class Skipped(Value):
    """No image was made now, for a reason that is not an error."""

    outcome: Literal["skipped"] = "skipped"
    region: str
    """Region's name."""
    product: str
    """Product's name."""
    reason: Reason
    """In one word, for counting."""
    detail: str
    """In a sentence, with the figure."""
    usage: Usage = Usage()
    """What it took to find out."""


class Failed(Value):
    """No image was made, and somebody must look."""

    outcome: Literal["failed"] = "failed"
    region: str
    """Region's name."""
    product: str
    """Product's name."""
    what: str
    """What failed."""
    why: str
    """Why."""
    hint: str
    """What to do about it."""
    href: str | None = None
    """The file that could not be read, if it was one."""
    usage: Usage = Usage()
    """What it took."""


Outcome = Annotated[Product | Skipped | Failed, Field(discriminator="outcome")]
"""What became of one acquisition in one region."""


def content_id(content: Any, *, length: int = 12) -> str:
    """First `length` hex digits of the SHA-256 of JSON-able content; equal content, equal id."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:length]
