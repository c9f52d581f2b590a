"""Every public function is documented; those of the games are also shown by example and used in the book."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import pjap.games
import pjap.mamujoco

ROOT = Path(__file__).parent.parent
MODULES = [
    "pjap.priorities",
    "pjap.games",
    "pjap.games.datasets",
    "pjap.games.figures",
]
SCALED = [f"pjap.mamujoco.{module.name}" for module in pkgutil.iter_modules(pjap.mamujoco.__path__)]


def public():
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            item = getattr(module, name)
            if inspect.isfunction(item) or inspect.isclass(item):
                # Chapters call `figures.policy` and `datasets.uniform` by module: the bare words are everywhere.
                called = f"{module_name.split('.')[-1]}.{name}" if module_name.count(".") == 2 else name
                yield pytest.param(item, called, id=f"{module_name}.{name}")


def undescribed(item):
    """What the docstring of a function or a class leaves out."""
    text = inspect.getdoc(item) or ""
    opening = text.split("\n\n")[0].strip()
    missing = [] if opening.endswith((".", ":")) else ["an opening sentence"]
    if inspect.isclass(item):
        names = inspect.get_annotations(item)
    else:
        signature = inspect.signature(item)
        names = [name for name in signature.parameters if name != "self"]
        if signature.return_annotation not in (None, "None") and not re.search(r"(Returns|Yields):", text):
            missing.append("Returns")
    return missing + [name for name in names if not re.search(rf"^\s+\**{name}: ", text, flags=re.MULTILINE)]


def scaled():
    """The public functions, classes and methods of the scaled experiment, compiled ones included."""
    for module_name in SCALED:
        module = importlib.import_module(module_name)
        for name, item in vars(module).items():
            if name[0] == "_" or not callable(item) or getattr(item, "__module__", "") != module_name:
                continue
            yield pytest.param(item, id=f"{module_name}.{name}")
            methods = vars(item).items() if inspect.isclass(item) else ()
            for method, function in methods:
                if method[0] != "_" and inspect.isfunction(function):
                    yield pytest.param(function, id=f"{module_name}.{name}.{method}")


@pytest.mark.parametrize("item", list(scaled()))
def test_the_scaled_experiment_describes_every_argument(item):
    assert not undescribed(item)


def test_a_missing_description_is_noticed():
    def function(first: int, second: int) -> int:
        """Without a full stop

        Args:
            first: described.
        """
        return first + second

    assert undescribed(function) == ["an opening sentence", "Returns", "second"]


def test_the_reference_holds_every_module():
    reference = "\n".join(page.read_text() for page in (ROOT / "book").glob("api*.md"))
    documented = set(re.findall(r"automodule:: (\S+)", reference))
    private_or_command = ("_checks", "cli", "files", "games", "mamujoco")
    modules = {module.name for module in pkgutil.walk_packages(pjap.__path__, "pjap.")}
    modules = {name for name in modules if not name.startswith("pjap.grading")}  # the command `pjap grade`
    assert documented == {name for name in modules if name.split(".")[-1] not in private_or_command}


@pytest.mark.parametrize(("item", "called"), list(public()))
def test_docstring_has_a_sentence_arguments_shapes_and_an_example(item, called):
    text = inspect.getdoc(item) or ""
    assert text.split("\n")[0].endswith((".", ":")), "the first line is no sentence"
    assert ">>>" in text, "no executable example"
    assert not undescribed(item)
    if inspect.isclass(item):
        members = [member for name, member in vars(item).items() if inspect.isfunction(member) and name[0] != "_"]
        for member in members:
            assert ">>>" in (member.__doc__ or ""), f"{member.__name__} has no executable example"


@pytest.mark.parametrize(("item", "called"), list(public()))
def test_the_book_uses_or_mentions_it(item, called):
    book = "\n".join(page.read_text() for page in (ROOT / "book").glob("*.md"))
    assert re.search(rf"\b{re.escape(called)}\b", book), f"{called} appears nowhere in the book: use it or delete it"


@pytest.mark.parametrize("name", pjap.games.__all__)
def test_what_the_games_offer_is_in_the_reference(name):
    """The reference follows the `__all__` of the module that defines it."""
    item = getattr(pjap.games, name)
    if inspect.isfunction(item) or inspect.isclass(item):
        assert name in importlib.import_module(item.__module__).__all__


@pytest.mark.parametrize("module_name", MODULES)
def test_everything_public_is_listed(module_name):
    """A public function that `__all__` forgets would escape the two tests above."""
    module = importlib.import_module(module_name)
    defined = {
        name
        for name, item in vars(module).items()
        if (inspect.isfunction(item) or inspect.isclass(item)) and item.__module__ == module_name and name[0] != "_"
    }
    assert defined <= set(module.__all__)
