"""Two builds compared: equal ones are, and each way of being different is found and named."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.image import compare as compare_module
from deploy.image import layout
from deploy.image.cli import main
from deploy.image.compare import Compared, Sameness, compare
from deploy.image.tools import ImageError, lacking, run

_STEM = "gridlight-virt-1.0"


def _squashfs(content: bytes) -> bytes:
    head = bytearray(96)
    head[:4] = b"hsqs"
    head[40:48] = (96 + len(content)).to_bytes(8, "little")
    return bytes(head) + content


_REGIONS = {title: place << 20 for place, (title, _, _) in enumerate(compare_module._REGIONS)}
"""Of a small card: each region is a mebibyte."""


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The same build in two folders; small cards without systems in their slots."""
    regions = tuple((title, at, 1 << 20) for title, at in _REGIONS.items())
    monkeypatch.setattr(compare_module, "_REGIONS", regions)
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    with (one / f"{_STEM}.img").open("wb") as card:
        card.write(layout.partition_table())
        card.truncate(len(_REGIONS) << 20)
    (one / f"{_STEM}.raucb").write_bytes(_squashfs(b"root" * 100) + b"salt and signature")
    (one / f"{_STEM}.cdx.json").write_text("{}\n", encoding="ascii")
    (one / f"{_STEM}.sha256").write_text(f"aa  {_STEM}.img\nbb  {_STEM}.raucb\n", encoding="ascii")
    (one / "cache").mkdir()
    shutil.copytree(one, two)
    return one, two


def _of(found: list[Compared], suffix: str) -> Compared:
    (one,) = (each for each in found if each.name == f"{_STEM}{suffix}")
    return one


def test_the_same_build_is_the_same(builds: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert {one.sameness for one in compare(*builds)} == {Sameness.SAME}
    assert main(["compare", *map(str, builds)]) == 0
    assert "4 files: the same build" in capsys.readouterr().out


def _overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


@pytest.mark.parametrize("where", [title for title in _REGIONS if not title.startswith("slot")])
def test_what_differs_in_a_card_is_named(builds: tuple[Path, Path], where: str) -> None:
    _overwrite(builds[1] / f"{_STEM}.img", _REGIONS[where] + 447, b"\xee")
    card = _of(compare(*builds), ".img")
    assert card.sameness is Sameness.DIFFERENT
    assert [why.partition(":")[0] for why in card.why] == [where]
    assert main(["compare", *map(str, builds)]) == 1


def test_a_file_that_differs_in_a_slot_is_named(builds: tuple[Path, Path], tmp_path: Path) -> None:
    if missing := lacking(["mke2fs", "debugfs"]):
        pytest.skip(f"not installed: {missing[0]}")
    for build, text in zip(builds, ("one", "two"), strict=True):
        root, slot = tmp_path / f"root-{text}", tmp_path / f"{text}.ext4"
        (root / "etc").mkdir(parents=True)
        (root / "etc" / "release").write_text(text, encoding="ascii")
        (root / "etc" / "same").write_text("same", encoding="ascii")
        run("mke2fs", "-q", "-F", "-t", "ext4", "-d", root, slot, "1M", epoch=1)
        _overwrite(build / f"{_STEM}.img", _REGIONS["slot A"], slot.read_bytes())
    assert _of(compare(*builds), ".img").why == ("slot A: etc/release",)


def test_an_update_that_was_signed_anew_is_the_same_build(builds: tuple[Path, Path]) -> None:
    (builds[1] / f"{_STEM}.raucb").write_bytes(_squashfs(b"root" * 100) + b"other salt, later signature")
    (builds[1] / f"{_STEM}.sha256").write_text(f"aa  {_STEM}.img\ncc  {_STEM}.raucb\n", encoding="ascii")
    found = compare(*builds)
    assert [_of(found, suffix).sameness for suffix in (".img", ".raucb", ".sha256")] == [
        Sameness.SAME,
        Sameness.SIGNED_ANEW,
        Sameness.SIGNED_ANEW,
    ]
    assert main(["compare", *map(str, builds)]) == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / f"{_STEM}.raucb").write_bytes(
            _squashfs(b"rool" * 100) + b"salt and signature"
        ),
        lambda folder: (folder / f"{_STEM}.cdx.json").unlink(),
        lambda folder: (folder / f"{_STEM}.sha256").write_text(f"dd  {_STEM}.img\nbb  {_STEM}.raucb\n"),
    ],
    ids=["other content", "a file is missing", "another checksum"],
)
def test_every_other_difference_is_one(builds: tuple[Path, Path], spoil: Callable[[Path], object]) -> None:
    spoil(builds[1])
    assert [one.sameness for one in compare(*builds)].count(Sameness.DIFFERENT) == 1


def test_a_folder_without_a_build_is_refused(builds: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="holds nothing"):
        compare(builds[0], tmp_path / "empty")
    assert main(["compare", str(builds[0]), str(tmp_path / "none")]) == 1
