"""Files that a user writes: what YAML would quietly turn into something else is refused."""

import pytest
from pydantic import BaseModel, ConfigDict

from ocm_ophyd.errors import UsageError
from ocm_ophyd.input_files import check_values, parse_yaml, read_text
from ocm_ophyd.samples import load_samples
from ocm_ophyd.settings import Settings

PLATE = """My-plate:
  material: CsPbBr3
  thickness: 1.5
  size: [8, 8.0]
  refractive_index: 2.006
  geometry: common-path
  maximum_fluence: {maximum}
  pump_waist: 2.25
  position: [0.0, 0.0]
  substrate: [0.03, 0.0]
"""


class Numbers(BaseModel):
    """What a file may hold."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    value: float
    pair: tuple[float, float] = (0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("a: 1", {"a": 1}),
        ("a: 1.0e5", {"a": 1e5}),
        ("a: -.5", {"a": -0.5}),
        ("a: 2026-03-01", {"a": "2026-03-01"}),
        ('a: "yes"', {"a": "yes"}),
        ("a: true", {"a": True}),
        ("a:", {"a": None}),
        ("{x: 0.5, y: 1.5}", {"x": 0.5, "y": 1.5}),
        ("base: &base {a: 1, b: 2}\nother: {<<: *base, b: 3}", None),
    ],
)
def test_plain_yaml_is_read(text, content):
    got = parse_yaml(text, "f.yaml")
    assert got == content if content else got["other"] == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: yes", 'line 1: yes .*write true, or "yes"'),
        ("b: 1\na: off", 'line 2: off .*write false, or "off"'),
        ("a: [1e1, 5]", r"1e1 .*1\.0e\+1"),
        ("a: 35e-2", r"35\.0e-2"),
        ("a: 1:30", "decimal digits"),
        ("a: 010", "decimal digits"),
        ("a: 1_000", "decimal digits"),
        ("a: 0x1f", "decimal digits"),
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' is given twice"),
        ("m:\n  - {a: 1, a: 2}", "line 2: the key 'a' is given twice"),
        ("a: [1", "not YAML"),
        ("a: !!python/object:os.system 1", "tag"),
    ],
)
def test_what_has_two_meanings_is_refused_in_one_line(text, says):
    with pytest.raises(UsageError, match=says) as refused:
        parse_yaml(text, "f.yaml")
    assert str(refused.value).startswith("f.yaml")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"value": True}, "value: .*number.*True"),
        ({"value": "1"}, "value: .*number.*'1'"),
        ({"value": float("inf")}, "value: .*finite"),
        ({"value": float("nan")}, "value: .*finite"),
        ({"value": 1.0, "valeu": 2}, "valeu"),
        ({"value": 1.0, "pair": [1, False]}, r"pair\.1"),
        ({}, "value: Field required"),
        ([1], "f.yaml: "),
    ],
)
def test_numbers_must_be_numbers(values, says):
    with pytest.raises(UsageError, match=says):
        check_values(Numbers, values, "f.yaml")
    assert check_values(Numbers, {"value": 1, "pair": [1, 2]}, "f.yaml").pair == (1.0, 2.0)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path, says in (("none", "No such file"), ("", "directory"), ("binary", "UTF-8")):
        with pytest.raises(UsageError, match=f"the file .*{says}"):
            read_text(tmp_path / path, "the file")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PLATE.format(maximum=".inf"), "'My-plate': maximum_fluence: .*finite"),
        (PLATE.format(maximum="true"), "maximum_fluence: .*number"),
        (PLATE.format(maximum="0.5\n  maximum_fluence: 120.0"), "maximum_fluence' is given twice"),
        (PLATE.format(maximum="0.5") + PLATE.format(maximum="120.0"), "'My-plate' is given twice"),
        (PLATE.format(maximum="0.5") + "  geometry2: x", "geometry2"),
        ("- My-plate", "not a table of samples"),
        ("My-plate: 5", "below its name"),
    ],
)
def test_a_sample_is_never_taken_for_brighter_than_it_is(tmp_path, text, says):
    path = tmp_path / "samples.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=says) as refused:
        load_samples(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_samples_of_a_file_join_those_of_the_package(tmp_path):
    path = tmp_path / "samples.yaml"
    path.write_text(PLATE.format(maximum="0.5"))
    samples = load_samples(path)
    assert samples["My-plate"].maximum_fluence == 0.5
    assert samples.keys() > load_samples().keys()


def test_an_impossible_setting_names_its_variable(monkeypatch):
    monkeypatch.setenv("OCM_CA_PORT", "many")
    with pytest.raises(UsageError, match=r"^OCM_CA_PORT: .*integer"):
        Settings()


@pytest.mark.parametrize("uri", ["sqlite:///x.db", "mysql://ocm:pass-word@host/db", "ocm"])
def test_another_database_is_refused_without_printing_the_password(monkeypatch, uri):
    monkeypatch.setenv("OCM_CATALOG_DATABASE", uri)
    with pytest.raises(UsageError, match=r"OCM_CATALOG_DATABASE: write postgresql://") as refused:
        Settings()
    assert "pass-word" not in str(refused.value)
