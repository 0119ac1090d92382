"""Dataset, random changes and network, each by itself."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foldwise.config import Images, Recipe
from foldwise.data.dataset import make_loader, pad_collate
from foldwise.errors import InputError
from foldwise.images.augment import Mixup, RandomChanges, cut_out, draw
from foldwise.images.convnet import ResNet, build_convnet
from foldwise.images.dataset import ImageFiles, hash_words, write_rows
from images.contest import SIDE, make_pictures

EVERYTHING = ["flip", "shift", "crop", "rotate", "colour", "cutout"]
SETTINGS = Images(size=[SIDE, SIDE], channels=1, cache="never")


def open_files(folder, rows=9, texts=(), **options):
    """The dataset of so many pictures, read from their files."""
    names, labels = make_pictures(folder, rows)
    paths = [str(folder / name) for name in names]
    (folder / "made").mkdir()
    write_rows(texts, paths, SETTINGS.model_copy(update=options), folder / "made", 2, None)
    return ImageFiles(
        folder / "made", SETTINGS, hash_words(texts, rows), np.arange(rows), torch.from_numpy(labels)
    ), paths


def test_files_are_opened_when_their_row_is_asked_for(tmp_path):
    dataset, paths = open_files(tmp_path)
    for path in paths[1:]:
        (tmp_path / path).unlink()
    assert dataset[0].image.shape == (1, SIDE, SIDE)
    with pytest.raises(InputError, match="no such file"):
        dataset[1]


def test_a_batch_is_what_its_items_are_put_together(tmp_path):
    dataset, _ = open_files(tmp_path, texts=[[f"row {row} of " + "many " * row for row in range(9)]])
    (batch,) = make_loader(dataset, [[3, 0, 8]])
    for one, other in zip(batch, pad_collate([dataset[row] for row in (3, 0, 8)]), strict=True):
        assert one is other is None or torch.equal(one, other)


def test_any_number_of_threads_reads_the_same(tmp_path):
    dataset, _ = open_files(tmp_path)
    rows = np.array([7, 1, 4])
    found = []
    for dataset.threads in (1, 2):
        found.append(dataset.read(rows))
    assert torch.equal(*found)


def test_kept_pixels_are_those_of_the_files(tmp_path):
    lazy, _ = open_files(tmp_path / "a")
    kept, _ = open_files(tmp_path / "b", cache="always")
    assert lazy.pixels is None
    assert torch.equal(lazy.read(np.arange(9)), kept.pixels)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=8, unique=True), st.integers(0, 99), st.integers(0, 99))
def test_what_a_row_gets_depends_on_nothing_else(rows, seed, epoch):
    images = torch.stack([torch.full((3, 8, 6), row % 251, dtype=torch.uint8) for row in rows])
    images[:, :, 2:5, 1:4] = 17
    change = RandomChanges(EVERYTHING, seed)
    together = change(images, np.array(rows), epoch)
    alone = torch.cat([change(images[i : i + 1], np.array(rows[i : i + 1]), epoch) for i in range(len(rows))])
    assert torch.equal(together, alone)


def test_random_numbers_are_even_and_others_in_each_epoch():
    numbers = draw(0, 0, np.arange(20_000)).double()
    assert (numbers.mean(dim=1) - 0.5).abs().max() < 0.01
    assert (numbers.var(dim=1) - 1 / 12).abs().max() < 0.002
    assert torch.corrcoef(numbers).fill_diagonal_(0).abs().max() < 0.03
    assert not torch.equal(numbers, draw(0, 1, np.arange(20_000)).double())
    assert not torch.equal(numbers, draw(1, 0, np.arange(20_000)).double())


def test_flips_are_exact_and_half_of_all():
    images = torch.randint(0, 256, (400, 3, 7, 10), dtype=torch.uint8)
    changed = RandomChanges(["flip"], 0)(images, np.arange(400), 0)
    mirrored = torch.tensor([torch.equal(one, other.flip(2)) for one, other in zip(changed, images, strict=True)])
    same = torch.tensor([torch.equal(one, other) for one, other in zip(changed, images, strict=True)])
    assert (mirrored ^ same).all()
    assert 150 < mirrored.sum() < 250


def test_a_shift_moves_by_an_eighth_at_most():
    images = torch.zeros(300, 1, 16, 16, dtype=torch.uint8)
    images[:, :, 7:9, 7:9] = 255
    changed = RandomChanges(["shift"], 0)(images, np.arange(300), 0).float()
    places = torch.arange(16) + 0.5
    for side in (2, 3):
        marginal = changed.sum(dim=5 - side).squeeze(1)
        moved = (marginal * places).sum(dim=1) / marginal.sum(dim=1) - 8
        assert moved.abs().max() < 2.05
        assert moved.min() < -1.5
        assert moved.max() > 1.5


def test_a_square_is_cut_out_where_it_is_asked_for():
    changed = cut_out(torch.zeros(2, 1, 10, 10), torch.tensor([[0.5, 0.0], [0.5, 1.0]]))
    assert changed[0].nonzero()[:, 1:].min(dim=0).values.tolist() == [3, 3]
    assert (changed[0] > 0).sum() == 16
    assert (changed[1] > 0).sum() == 4


def test_a_row_without_a_target_is_not_mixed(tmp_path):
    dataset, _ = open_files(tmp_path)
    targets = torch.rand(9, 2)
    targets[4] = torch.nan
    batch = dataset.__getitems__(range(9))._replace(targets=targets)
    mixed = Mixup(0, 0)(batch, 0)
    assert mixed.targets.isnan().nonzero()[:, 0].unique().tolist() == [4]
    assert torch.equal(mixed.images[4:6], batch.images[4:6])  # 5 would be mixed with 4
    assert not torch.equal(mixed.images, batch.images)


@pytest.mark.parametrize("width", [1, 9, 12])
def test_any_width_is_normalised_in_groups(width):
    assert ResNet(1, width, 2, 1)(torch.zeros(1, 1, 6, 6)).shape == (1, 2 * width)


def test_two_images_and_their_targets_are_mixed_in_one_share(tmp_path):
    dataset, _ = open_files(tmp_path)
    batch = dataset.__getitems__(range(9))
    batch = batch._replace(images=torch.stack([torch.full((1, 4, 4), 200 * int(y)) for y in batch.targets]).byte())
    mixed = Mixup(2, 0)(batch, 0)
    assert mixed.targets.sum(dim=1).allclose(torch.ones(9))
    assert (mixed.images[:, 0, 0, 0] / 200 - mixed.targets[:, 1]).abs().max() < 0.003
    assert ((mixed.targets > 0.01) & (mixed.targets < 0.99)).any()


@pytest.mark.parametrize("size", [(8, 8), (5, 31), (1, 1), (64, 40)])
def test_any_height_and_width_fit(size):
    net = ResNet(3, 8, 3, 2)
    assert net(torch.zeros(2, 3, *size)).shape == (2, 32)


def test_a_prediction_depends_on_no_other_row():
    model = build_convnet(Recipe(images=Images(width=8)), None, 4, texts=True, seed=0).eval()
    words, sizes = torch.randint(1, 99, (5, 6), dtype=torch.int32), torch.tensor([6, 3, 1, 0, 2])
    images = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    together = model(words, sizes, images)
    alone = torch.cat([model(words[i : i + 1], sizes[i : i + 1], images[i : i + 1]) for i in range(5)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_pretrained_weights_are_read_and_those_that_do_not_fit_are_refused(tmp_path, monkeypatch):
    from safetensors.torch import save_file

    (tmp_path / "mine_net.py").write_text(
        "from torch import nn\ndef make(out):\n    return nn.Sequential(nn.Flatten(), nn.Linear(12, out))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    recipe = Recipe(images=Images(size=[2, 2], backbone="mine_net:make", arguments={"out": 3}))
    known = {"1.weight": torch.rand(3, 12), "1.bias": torch.rand(3), "head.weight": torch.rand(9, 3)}
    save_file(known, tmp_path / "x.safetensors")
    model = build_convnet(recipe, tmp_path / "x.safetensors", 5, texts=False, seed=0)
    assert torch.equal(model.features[1].weight, known["1.weight"])
    save_file({"1.weight": torch.rand(4, 12)}, tmp_path / "x.safetensors")
    with pytest.raises(InputError, match=r"size mismatch for 1\.weight"):
        build_convnet(recipe, tmp_path / "x.safetensors", 5, texts=False, seed=0)
