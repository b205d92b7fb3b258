"""A small project with stored results, and peaks of a made-up machine."""

import pytest
from asv.commands.publish import Publish

from scripts import plugin
from tests.scripts.stepped_project import Stepped, stepped
from tests.scripts.stored_project import Project, with_history


@pytest.fixture
def empty_project(tmp_path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder)


@pytest.fixture(scope="session")
def original(tmp_path_factory) -> Project:
    """The project with history, which every test that asks for `project` has a copy of."""
    return with_history(Project(tmp_path_factory.mktemp("original")))


@pytest.fixture
def project(original, tmp_path) -> Project:
    return original.copied(tmp_path / "project")


@pytest.fixture(scope="session")
def published(original, tmp_path_factory) -> Project:
    """The project with history, published once: for reading only."""
    plugin.setup()
    project = original.copied(tmp_path_factory.mktemp("published") / "project")
    Publish.run(project.conf, pull=False)
    return project


@pytest.fixture(scope="session")
def measured(tmp_path_factory) -> Stepped:
    """A project of 24 measured commits, everything 30 % higher from the fifteenth on: for reading only."""
    return stepped(Project(tmp_path_factory.mktemp("measured")))


@pytest.fixture
def stepped_copy(measured, tmp_path) -> Stepped:
    """The same with results of its own."""
    return measured.copied(tmp_path / "results")
