"""Every public function is documented, shown by example, and used or mentioned in the book."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = [
    "pjap.priorities",
    "pjap.games",
    "pjap.games.datasets",
    "pjap.games.figures",
]


def public():
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            item = getattr(module, name)
            if inspect.isfunction(item) or inspect.isclass(item):
                # Chapters call `figures.policy` and `datasets.uniform` by module: the bare words are everywhere.
                called = f"{module_name.split('.')[-1]}.{name}" if module_name.count(".") == 2 else name
                yield pytest.param(item, called, id=f"{module_name}.{name}")


@pytest.mark.parametrize(("item", "called"), list(public()))
def test_docstring_has_a_sentence_arguments_shapes_and_an_example(item, called):
    text = inspect.getdoc(item) or ""
    assert text.split("\n")[0].endswith((".", ":")), "the first line is no sentence"
    assert ">>>" in text, "no executable example"
    if inspect.isfunction(item):
        arguments = [name for name in inspect.signature(item).parameters if name != "self"]
        missing = [name for name in arguments if not re.search(rf"^\s+\**{name}: ", text, flags=re.MULTILINE)]
        assert not missing, f"arguments without a description: {missing}"
        if inspect.signature(item).return_annotation not in (None, "None"):
            assert "Returns:" in text
    else:
        members = [member for name, member in vars(item).items() if inspect.isfunction(member) and name[0] != "_"]
        for member in members:
            assert ">>>" in (member.__doc__ or ""), f"{member.__name__} has no executable example"


@pytest.mark.parametrize(("item", "called"), list(public()))
def test_the_book_uses_or_mentions_it(item, called):
    book = "\n".join(page.read_text() for page in (ROOT / "book").glob("*.md"))
    assert re.search(rf"\b{re.escape(called)}\b", book), f"{called} appears nowhere in the book: use it or delete it"


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
