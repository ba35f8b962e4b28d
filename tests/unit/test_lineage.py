"""Lineage tables: source files by product, in mosaic order; the csv module's reader and pandas are the oracles."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from glacierctl.choices import Satellite
from glacierctl.errors import StoreError
from glacierctl.model import Acquisition, Scene, SourceFile
from glacierctl.processing.lineage import combine_lineage, lineage_row
from glacierctl.storage import FolderStore

FOLDER = "sentinel2/metadata/individual_csv/163_Bowdoin"
COMBINED = "sentinel2/metadata/combined_csv/163_Bowdoin.csv"
WHEN = dt.datetime(2024, 7, 4, 15, 9, 1, tzinfo=dt.UTC)


def acquisition(product: str, *names: str) -> Acquisition:
    image = SourceFile(href="/data/B08.tif", crs=None, transform=None, shape=None)
    scenes = tuple(
        Scene(
            item_id=name, item_href=f"/{name}.json", collection="sentinel-2-l2a", satellite=Satellite.SENTINEL2,
            platform="sentinel-2a", sensed_at=WHEN, tile="19XEG", baseline="05.10", generated_at=WHEN,
            source_name=name, band="B08", image=image, clouds=None, cloud_cover=None, offset_applied=True,
            footprint=(),
        )
        for name in names
    )  # fmt: skip
    return Acquisition(product=product, acquired_at=WHEN, scenes=scenes, overlap=1.0)


def combine(folder: Path, *rows: tuple[str, ...]) -> pd.DataFrame:
    store = FolderStore(folder)
    for product, *names in rows:
        store.put(f"{FOLDER}/{product}.csv", lineage_row(acquisition(product, *names)))
    combine_lineage(store, Satellite.SENTINEL2, "163_Bowdoin")
    return pd.read_csv(folder / COMBINED, dtype=str, keep_default_na=False)


def test_a_row_names_the_product_and_its_files_in_mosaic_order() -> None:
    assert lineage_row(acquisition("P", "S2A_T19XEG", "S2A_T19XDG")) == b"P,S2A_T19XEG_B08.tif,S2A_T19XDG_B08.tif\n"


def test_the_table_has_a_row_a_product_sorted_and_numbered_columns(tmp_path: Path) -> None:
    table = combine(tmp_path, ("P2", "b"), ("P1", "a", "c", "d"))
    assert list(table.columns) == ["0", "1", "2", "3"]
    assert table.to_numpy().tolist() == [["P1", "a_B08.tif", "c_B08.tif", "d_B08.tif"], ["P2", "b_B08.tif", "", ""]]


def test_combining_again_gives_the_same_bytes(tmp_path: Path) -> None:
    combine(tmp_path, ("P2", "b"), ("P1", "a"))
    before = (tmp_path / COMBINED).read_bytes()
    combine(tmp_path)
    assert (tmp_path / COMBINED).read_bytes() == before


def test_other_regions_whose_names_begin_alike_stay_out(tmp_path: Path) -> None:
    FolderStore(tmp_path).put(f"{FOLDER}_East/P9.csv", b"P9,x_B08.tif\n")
    assert combine(tmp_path, ("P1", "a"))["0"].tolist() == ["P1"]


def test_names_with_commas_and_quotes_survive(tmp_path: Path) -> None:
    table = combine(tmp_path, ("P1", 'a,"b'))
    assert table.loc[0, "1"] == 'a,"b_B08.tif'


def test_a_region_without_products_has_an_empty_table(tmp_path: Path) -> None:
    combine_lineage(FolderStore(tmp_path), Satellite.SENTINEL2, "163_Bowdoin")
    assert (tmp_path / COMBINED).read_text().strip() == ""


def test_a_table_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "sentinel2" / "metadata").mkdir(parents=True)
    (tmp_path / "sentinel2" / "metadata" / "combined_csv").write_bytes(b"")
    with pytest.raises(StoreError, match="combined_csv"):
        combine(tmp_path, ("P1", "a"))


def test_a_row_that_another_worker_adds_meanwhile_is_not_lost(tmp_path: Path) -> None:
    class Busy(FolderStore):
        """Another worker writes his row, and the table with it, just before ours."""

        others = iter([b"P2,b_B08.tif\n"])

        def put(self, key: str, content: bytes | Path) -> None:
            if key == COMBINED and (row := next(self.others, None)):
                super().put(f"{FOLDER}/P2.csv", row)
                super().put(COMBINED, b"the other's")
            super().put(key, content)

    store = Busy(tmp_path)
    store.put(f"{FOLDER}/P1.csv", b"P1,a_B08.tif\n")
    combine_lineage(store, Satellite.SENTINEL2, "163_Bowdoin")
    assert (tmp_path / COMBINED).read_text() == "0,1\nP1,a_B08.tif\nP2,b_B08.tif\n"
