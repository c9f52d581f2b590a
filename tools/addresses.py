"""Where the book is found on the network: one setting, `[project.urls]` in pyproject.toml, and what follows from it.

While the address is not settled, its owner is written `_OWNER_`: a name that nobody can hold on GitHub, so that no
notebook can fetch a stranger's code by mistake.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent
BRANCH = "main"


@dataclass(frozen=True)
class Addresses:
    """The public repository and the published site.

    Attributes:
        repository: https://github.com/OWNER/NAME, without a final slash.
        site: the address under which the pages are published, with a final slash.

    Raises:
        ValueError: If the repository is not on GitHub, the one host whose notebooks Colab opens.
    """

    repository: str
    site: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"https://github\.com/[^/]+/[^/]+", self.repository):
            raise ValueError(f"Repository is {self.repository!r}, expected 'https://github.com/OWNER/NAME'")
        if not self.site.endswith("/"):
            raise ValueError(f"Documentation is {self.site!r}, expected an address that ends with '/'")

    @property
    def name(self) -> str:
        """The repository's name, which is also the folder that `git clone` makes."""
        return self.repository.rsplit("/", 1)[1]

    @property
    def owner_and_name(self) -> str:
        """OWNER/NAME."""
        return self.repository.removeprefix("https://github.com/")

    def page(self, page: str) -> str:
        """The address of a published page.

        Args:
            page: its source's path without the suffix, such as "book/06-pjap".
        """
        return f"{self.site}{page}.html"

    def colab(self, page: str) -> str:
        """The address at which Colab opens a page's notebook."""
        return f"https://colab.research.google.com/github/{self.owner_and_name}/blob/{BRANCH}/{page}.ipynb"

    def binder(self, page: str) -> str:
        """The address at which Binder opens a page's notebook in JupyterLab."""
        opened = quote(f"lab/tree/{page}.ipynb", safe="")
        return f"https://mybinder.org/v2/gh/{self.owner_and_name}/{BRANCH}?urlpath={opened}"


def read() -> Addresses:
    """The setting."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    return Addresses(urls["Repository"], urls["Documentation"])
