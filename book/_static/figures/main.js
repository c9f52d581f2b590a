// Brings the figures of a page to life: <div class="pjap-figure" data-figure="one-point"></div>.
// Each figure is a module of that name whose default export draws it into the element, when a reader comes within half
// a screen of it: a page opens before its figures are drawn.

const shown = {};
const nearby = new IntersectionObserver(
  (seen) => seen.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target)),
  { rootMargin: "50%" },
);

for (const root of document.querySelectorAll(".pjap-figure")) {
  const figure = root.dataset.figure;
  // The name under which the figure's state stands in the URL; a page may show the same figure twice.
  shown[figure] = (shown[figure] ?? 0) + 1;
  root.dataset.name = shown[figure] === 1 ? figure : `${figure}-${shown[figure]}`;
  if (isLinked(root)) draw(root);
  else nearby.observe(root);
}

/** Whether the page's address holds a state of this figure. */
function isLinked(root) {
  return location.hash.startsWith(`#pjap&${root.dataset.name}.`);
}

async function draw(root) {
  nearby.unobserve(root);
  try {
    const module = await import(`./${root.dataset.figure}.js`);
    module.default(root);
    root.dataset.ready = "";
    if (isLinked(root)) root.scrollIntoView();
  } catch (error) {
    root.replaceChildren(); // an empty figure takes no room: the static picture beneath it stays
    throw error;
  }
}
