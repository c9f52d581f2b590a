// Brings the figures of a page to life: <div class="pjap-figure" data-figure="one-point"></div>.
// Each figure is a module of that name whose default export draws it into the element.

const shown = {};

for (const root of document.querySelectorAll(".pjap-figure")) {
  const figure = root.dataset.figure;
  // The name under which the figure's state stands in the URL; a page may show the same figure twice.
  shown[figure] = (shown[figure] ?? 0) + 1;
  root.dataset.name = shown[figure] === 1 ? figure : `${figure}-${shown[figure]}`;
  import(`./${figure}.js`)
    .then((module) => {
      module.default(root);
      root.dataset.ready = "";
      if (location.hash.startsWith(`#pjap&${root.dataset.name}.`)) root.scrollIntoView();
    })
    .catch((error) => {
      root.replaceChildren(); // an empty figure is not shown: the static picture beneath it stays
      throw error;
    });
}
