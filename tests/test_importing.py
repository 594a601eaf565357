from __future__ import annotations

import pickle
import sys

import pytest
from project import fresh_imports, write_project

from prunetool.errors import TargetError, UserCodeError
from prunetool.importing import import_object, make_importable


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(write_project(tmp_path))
    with fresh_imports():
        make_importable(".")
        yield tmp_path


@pytest.mark.parametrize(
    "path",
    [
        "net:Net",
        "net.Net",
        "net.py:Net",
        "./net.py:Net",
        "package.models:Net",
        "package.models.Net",
        "package/models.py:Net",
        "package/relative.py:Net",
    ],
)
def test_every_spelling_gives_the_one_class(project, path):
    found = import_object(path)
    assert found.__name__ == "Net"
    assert found is sys.modules["net"].Net
    assert pickle.loads(pickle.dumps(found)) is found


def test_a_dotted_attribute(project):
    assert import_object("net:Net.training_step").__name__ == "training_step"


def test_a_file_whose_name_is_taken_gets_a_name_of_its_own(project):
    (project / "json.py").write_text("class Net: pass\n")
    found = import_object("json.py:Net")
    assert found.__module__ == "prunetool_target_json"
    assert import_object("json.py:Net") is found
    assert pickle.loads(pickle.dumps(found)) is found
    assert not hasattr(sys.modules.get("json"), "Net")


def test_a_file_in_another_folder(project, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert import_object("net.py:Net", app_dir="..").__name__ == "Net"


@pytest.mark.parametrize(
    ("path", "fragment"),
    [
        ("nett:Net", "no module named 'nett'; did you mean 'net'?"),
        ("far_away:Net", "no module named 'far_away'; is it installed"),
        ("package.model:Net", "no module named 'package.model'; did you mean 'package.models'"),
        ("net.sub:Net", "'net' is a module, not a package"),
        ("net:Nett", "net has no attribute 'Nett'; did you mean 'Net'"),
        ("net.py:Nett", "net.py has no attribute 'Nett'; did you mean 'Net'"),
        ("nett.py:Net", "nett.py: no such file in the current folder; did you mean 'net.py'"),
        ("package/model.py:Net", "package/model.py: no such file"),
        ("package/:Net", "is a folder; expected a Python file"),
        ("net.py", "expected a name after the module, as in net.py:Class"),
        ("net:", "expected a name after the module, as in net:Class"),
        ("Net", "Net: expected pkg.mod:Class, path/file.py:Class or an existing file"),
        ("", "expected pkg.mod:Class"),
    ],
)
def test_paths_that_lead_nowhere(project, path, fragment):
    with pytest.raises(TargetError) as error:
        import_object(path)
    assert fragment in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("path", "raised"),
    [
        ("broken:Net", ModuleNotFoundError),
        ("broken.py:Net", ModuleNotFoundError),
        ("syntax:Net", SyntaxError),
    ],
)
def test_an_exception_inside_the_code_is_the_users(project, path, raised):
    with pytest.raises(UserCodeError) as error:
        import_object(path)
    assert type(error.value.__cause__) is raised


def test_a_package_that_fails_is_the_users_too(project):
    (project / "package" / "__init__.py").write_text("1 / 0\n")
    for path in ("package.models:Net", "package/models.py:Net"):
        with pytest.raises(UserCodeError) as error:
            import_object(path)
        assert type(error.value.__cause__) is ZeroDivisionError


def test_a_folder_that_is_not_there():
    with pytest.raises(TargetError, match="--app-dir nowhere: no such folder"):
        make_importable("nowhere")
