# Everything a reader or a contributor runs. `make help` lists it.
# A target does all of its own set-up; a second run does no work that is already done.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
HTML   := _build/html/index.html
LITE   := _build/html/lite/index.html
SLIDES := _build/html/slides/lecture.html
PDF    := _build/pdf/pjap-textbook.pdf

CHAPTERS  := $(wildcard book/*.md)
PACKAGE   := $(shell find code -name '*.py')
RESULTS   := $(shell find book/results -type f)
NOTEBOOKS := $(wildcard book/*.ipynb)
WRITERS   := tools/launch_buttons.py tools/addresses.py $(wildcard book/_ext/*.py book/_ext/mathjax/*.js)
SITE      := _config.yml _toc.yml book/references.bib $(shell find book/_static book/_ext -type f 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help book lite slides pdf test lint serve notebooks assignments audit links bench bench-book lock clean

help: ## List these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

$(READY): requirements.txt pyproject.toml
	@echo "Making the environment in $(VENV) (about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -oE '^uv==[0-9.]+' requirements.txt)"
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements.txt
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# The execution cache knows a chapter's own cells, not the package they call or the results they read:
# when either has changed, every chapter runs again.
_build/.inputs: $(READY) $(PACKAGE) $(RESULTS)
	@rm -rf _build/.jupyter_cache _build/html _build/.doctrees
	@mkdir -p _build && touch $@

# Pages that have not changed are not written again, but what writes them may have: launch buttons and extensions.
_build/.writers: $(WRITERS)
	@rm -rf _build/html _build/.doctrees
	@mkdir -p _build && touch $@

# A build with warnings leaves pages, and Sphinx does not repeat the warnings of what it has read: the next one reads anew.
$(HTML): _build/.inputs _build/.writers $(CHAPTERS) $(NOTEBOOKS) $(SITE)
	@$(BIN)/python -m tools.execute
	$(BIN)/jupyter-book build . -W -n --keep-going || { rm -rf _build/.doctrees $@; exit 1; }
	@touch $@

# After the pages, not because of them: a changed chapter comes in with its notebook.
$(LITE): _build/.inputs _build/.writers $(NOTEBOOKS) tools/browser_site.py | $(HTML)
	@echo "Building the site that runs notebooks in the browser (about 15 seconds)"
	@$(BIN)/python -m tools.browser_site
	@touch $@

lite: $(LITE) ## Build the JupyterLite site behind "Run in your browser"; 'make book' does it too

# The pictures and the numbers of the slides are the chapters' own.
$(SLIDES): _build/.inputs _build/.writers $(HTML) book/slides/lecture.md book/slides/template.html tools/slides.py
	$(BIN)/python -m tools.slides

slides: $(SLIDES) ## Make the slides of the single lecture, one file that works offline
	@echo "The slides are made: open $(SLIDES)."

book: $(HTML) $(LITE) $(SLIDES) ## Execute every chapter and build the book, warnings as errors
	@echo "The book is built: open _build/html/index.html, or type 'make serve'."

# Not a part of `make book`: it needs Chromium.
$(PDF): $(HTML) book/pdf/template.html tools/pdf.py CITATION.cff
	$(BIN)/python -m tools.pdf

pdf: $(PDF) ## Print the whole book as a PDF, and link it from the landing page (needs Chromium)
	@echo "The PDF is made: open $(PDF)."

lint: $(READY) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint book ## Check style and types, build the book, and run every test
	$(BIN)/pytest -n 2 --dist loadfile

serve: book ## Build the book and serve it on this machine
	@echo "Serving on http://localhost:8000 (Ctrl-C stops)"
	@$(BIN)/python -m http.server --bind localhost --directory _build/html 8000

notebooks: $(READY) ## Run the chapters and rewrite the reference notebooks that the tests compare with
	$(BIN)/python -m tools.reference_notebooks

audit: book ## Count what a publication must not have, and rate five pages with Lighthouse (needs Chromium, and npm for the rating)
	$(BIN)/python -m tools.audit

links: book ## Follow every link of the book (needs the network)
	$(BIN)/jupyter-book build . --builder linkcheck

bench: book ## Time the environment, the learners (against named peers) and the figures, on a machine that does nothing else
	$(BIN)/python benchmarks/environment.py
	$(BIN)/python benchmarks/learner.py
	$(BIN)/python -m benchmarks.figures

bench-book: $(READY) ## Time building the book: from nothing, with nothing changed, with one chapter changed
	$(BIN)/python benchmarks/book.py

assignments: $(READY) ## Make the assignments: notebooks for students, graders and solutions for lecturers
	$(BIN)/python tools/assignments.py
	@echo "In _build/assignments: hand out student/*.ipynb; keep autograder.zip and solution.ipynb."

lock: ## Refresh requirements.txt from pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --fork-strategy fewest \
	  --upgrade --generate-hashes --no-annotate --no-header --quiet --output-file requirements.txt

clean: ## Delete everything that was built, but not the environment
	rm -rf _build .mypy_cache .ruff_cache .pytest_cache .hypothesis
