"""Files with anything anywhere: refused in one line, or reduced to numbers."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from raw_files import (
    DEFINITION,
    FRAME_PATH,
    NUMERIC,
    PATHS,
    SCAN,
    SHAPE,
    contents,
    few,
    outcome,
    reduced,
    refusal,
    same,
    write,
)

from analysis.io.raw_file import write_raw

many = settings(few, max_examples=50)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return write(tmp_path_factory.mktemp("good") / "good.h5", contents())


@few
@given(st.data())
def test_a_number_that_is_none_is_refused_wherever_it_is(tmp_path, data):
    path = data.draw(st.sampled_from([p for p in NUMERIC if p not in (FRAME_PATH, SHAPE)]))
    held = contents()
    values = np.array(held[path], float)
    place = data.draw(st.integers(0, values.size - 1))
    values.flat[place] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    message = refusal(write(tmp_path / "nan.h5", held | {path: values}))
    assert f"{path}: holds values that are not finite" in message


HOSTILE_NUMBERS = st.one_of(
    st.floats(),
    st.integers(-(2**63), 2**63 - 1),
    st.complex_numbers(),
    st.booleans(),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=90),
    st.binary(max_size=9).map(np.bytes_),
    hnp.arrays(st.sampled_from(["f8", "i2", "u8", "?"]), hnp.array_shapes(max_dims=3, max_side=3)),
    st.just(h5py.Empty("f4")),
)


@many
@given(st.sampled_from(sorted({*PATHS.values(), DEFINITION})), HOSTILE_NUMBERS)
def test_anything_in_any_place_is_refused_or_reduced(tmp_path, path, value):
    refusal(write(tmp_path / "hostile.h5", contents() | {path: value}))


@many
@given(st.data())
def test_arrays_of_any_numbers_are_refused_or_reduced(tmp_path, data):
    """Of the right shape, so that they come as far as the reduction."""
    held = contents(chirp=False)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    places = st.sampled_from([path for path in NUMERIC if path in held])
    for path in data.draw(st.lists(places, min_size=1, max_size=3, unique=True)):
        good = np.asarray(held[path])
        kind = data.draw(st.sampled_from(["zero", "constant", "random", "scaled", "shuffled"]))
        size = 10.0 ** data.draw(st.integers(-20, 20))
        new = {
            "zero": np.zeros(good.shape),
            "constant": np.full(good.shape, size),
            "random": size * rng.normal(size=good.shape),
            "scaled": good * size,
            "shuffled": rng.permutation(good.ravel()).reshape(good.shape),
        }[kind]
        if path == FRAME_PATH:
            new = np.clip(np.abs(new), 0, 2**32 - 1).astype(np.uint32)
        held[path] = new
    refusal(write(tmp_path / "hostile.h5", held))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A file as this project writes it."""
    path = tmp_path_factory.mktemp("own") / "own.h5"
    write_raw(SCAN, path)
    return path


@pytest.fixture(scope="module")
def undamaged(own):
    return reduced(own)


@few
@given(st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused(tmp_path, good, part):
    raw = good.read_bytes()
    cut = tmp_path / "cut.h5"
    cut.write_bytes(raw[: int(part * len(raw))])
    assert str(cut) in refusal(cut)


@many
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_bit_that_fell_over_in_our_own_file_changes_no_number(
    tmp_path, own, undamaged, place, bit
):
    """Everything in it that counts has a checksum."""
    raw = bytearray(own.read_bytes())
    raw[int(place * len(raw))] ^= 1 << bit
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(raw)
    _, result = outcome(damaged)
    if result is not None:
        same(result, undamaged, rtol=0)


@few
@given(st.binary(max_size=300), st.sampled_from([b"", b"\x89HDF\r\n\x1a\n", b"\0" * 512]))
def test_bytes_that_are_no_file_are_refused(tmp_path, noise, start):
    path = tmp_path / "noise.h5"
    path.write_bytes(start + noise)
    assert "not an HDF5 file" in refusal(path)
