// Rows as cards under their categories. A page of them at a time, so that 20,000 rows open as quickly as 20.
const PAGE = 48;
let galleryShown = PAGE;

function drawGallery() {
  galleryShown = Math.max(PAGE, Math.ceil((visibleRows.indexOf(state.row) + 1) / PAGE) * PAGE);
  fill(document.getElementById("gallery"));
  drawCards(0);
}

// Cards from `first` on: those of a category already begun go below its heading.
function drawCards(first) {
  const gallery = document.getElementById("gallery"), rows = visibleRows.slice(first, galleryShown), grouped = state.sort === "worst";
  let grid = first ? gallery.querySelector(".cells:last-of-type") : null, before = first ? categoryOf(visibleRows[first - 1]) : undefined;
  gallery.querySelector(".further")?.remove();
  rows.forEach((row, k) => {
    const category = grouped ? categoryOf(row) : null;
    if (!grid || (grouped && category !== before)) {
      if (category) gallery.append(galleryHeading(category));
      gallery.append(grid = make("div", { class: "cells" }));
    }
    before = category;
    grid.append(cardOf(row, first + k));
  });
  const left = visibleRows.length - galleryShown;
  if (left <= 0) return;
  const more = make("button", { type: "button", class: "further", onclick: showFurther }, `${say("further")} (${count(left)})`);
  gallery.append(more);
  soon.disconnect();
  soon.observe(more);
}
function showFurther() {
  const first = galleryShown;
  galleryShown += PAGE;
  drawCards(first);
}
// What is scrolled to is drawn before it comes into sight.
const soon = new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting) && document.querySelector(".further")) showFurther(); }, { rootMargin: "600px" });

function galleryHeading(category) {
  const all = QUESTIONS.rows.filter((row) => categoryOf(row) === category).length, here = visibleRows.filter((row) => categoryOf(row) === category).length;
  const figure = figureOf(category), unit = figure === null ? null : FIGURES.runs[0].by_rules[state.rules].metrics.find((one) => one.level === category.level && one.name === category.name).unit;
  return make("h3", {}, nameOf(inWords(category.name) || levelName(category.level)), figure === null ? null : make("b", { class: "worth" }, ` ${amount(figure, unit)}`), make("small", {}, ` ${count(here)} ${say("of")} ${count(all)} ${say("shown")}`));
}

// The picture, or the question's text where there is none; what is right and what was answered.
function cardOf(row, at) {
  const lettered = (letter) => { const text = row.o.find(([one]) => one === letter); return text ? `${letter} ${plainText(whole(text[1]))}` : plainText(letter); };
  const said = (answer, i) => (answer.e ? say("error") : verdictOf(answer)[0] === null ? say("noAnswer") : lettered(verdictOf(answer)[0]));
  return make("a", { class: "cell", id: `card-${at}`, href: linkTo({ filter: state.filter === "all" ? null : state.filter, sort: state.sort, row: row.id }), tabindex: row === state.row || (at === 0 && !visibleRows.includes(state.row)) ? 0 : -1, "aria-current": row === state.row ? "true" : null, onclick: (event) => openCard(event, row), onfocus: () => { if (state.row !== row) choose(row); } },
    row.p.length ? laterPicture(row.p[0], "shot") : make("span", { class: "shot words-only" }, make("bdi", {}, plainText(whole(row.q).slice(0, 300)))),
    row.p.length ? make("span", { class: "asks" }, make("bdi", {}, plainText(whole(row.q).slice(0, 200)))) : null,
    make("span", { class: "truth-is" }, make("small", {}, `${say("truth")} `), make("bdi", {}, row.r.length ? lettered(row.r[0]).slice(0, 80) : "–")),
    row.a.map((answer, i) => (answer && FIGURES.runs[i].kept ? make("span", { class: "was-said" }, runName(i), mark(statusOf(row, i), said(answer, i).slice(0, 80))) : null)),
    make("span", { class: "under" }, make("bdi", {}, row.id)));
}

let fromGallery = false;
function openCard(event, row) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  fromGallery = true;
  state.row = row;
  change({ view: "list" });
  showChosen();
  document.getElementById("answers").scrollIntoView();
  document.getElementById("list").focus({ preventScroll: true });
}

function markCard() {
  for (const [at, cell] of [...document.querySelectorAll("#gallery .cell")].entries()) {
    const chosen = visibleRows[at] === state.row;
    cell.tabIndex = chosen ? 0 : -1;
    if (chosen) cell.setAttribute("aria-current", "true"); else cell.removeAttribute("aria-current");
  }
}
function focusCard() {
  const at = visibleRows.indexOf(state.row);
  while (at >= galleryShown) showFurther();
  document.getElementById(`card-${Math.max(0, at)}`)?.focus();
}

// Arrows go by what the eye sees: a line up or down is a line of cards.
function galleryKeys(event) {
  const cells = [...document.querySelectorAll("#gallery .cell")], at = cells.indexOf(document.activeElement);
  const moves = { ArrowRight: () => step(1), ArrowLeft: () => step(-1), ArrowDown: () => toLine(cells, at, 1), ArrowUp: () => toLine(cells, at, -1), Home: () => step(-Infinity), End: () => step(Infinity) };
  if (at < 0 || !(event.key in moves)) return;
  event.preventDefault();
  moves[event.key]();
}
function toLine(cells, at, by) {
  const box = (cell) => cell.getBoundingClientRect(), here = box(cells[at]);
  const beyond = cells.filter((cell) => (box(cell).top - here.top) * by > 4);
  if (!beyond.length) return step(by);
  const line = by > 0 ? Math.min(...beyond.map((cell) => box(cell).top)) : Math.max(...beyond.map((cell) => box(cell).top));
  const near = beyond.filter((cell) => Math.abs(box(cell).top - line) < 4).sort((a, b) => Math.abs(box(a).left - here.left) - Math.abs(box(b).left - here.left))[0];
  choose(visibleRows[cells.indexOf(near)]);
  focusCard();
}

// Pictures come a few a frame, so that a fling never waits for them.
let wanted = [];
function laterPicture(number, kind = "thumb") {
  const node = make("span", { class: kind });
  if (!wanted.length) requestAnimationFrame(drawPictures);
  wanted.push([node, number, kind]);
  return node;
}
function drawPictures() {
  wanted = wanted.filter(([node]) => node.isConnected);
  for (const [node, number, kind] of wanted.splice(0, 2)) node.replaceWith(picture(number, { alt: "", class: kind }));
  if (wanted.length) requestAnimationFrame(drawPictures);
}
