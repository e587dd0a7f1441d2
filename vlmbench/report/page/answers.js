// The answers: search, filters and order, then the rows as a list beside the chosen one, or as a gallery.
function drawAnswers() {
  const section = document.getElementById("answers");
  section.hidden = false;
  section.setAttribute("aria-label", say("answers"));
  fill(section,
    make("h2", {}, say("answers")),
    FIGURES.runs.map((run, i) => (run.kept ? null : make("p", { class: "quiet" }, runName(i), say("notKeptWhy")))),
    QUESTIONS.rows.some((row) => row.a.some(hasVerdict)) ? null : make("p", { class: "quiet" }, say("noVerdicts")),
    QUESTIONS.notes.map((note) => make("p", { class: "quiet" }, NOTES[note][state.language])),
    make("div", { class: "toolbar" },
      make("div", { class: "views", role: "group", "aria-label": say("view") }, ["list", "gallery"].map((view) => make("button", { type: "button", id: `view-${view}`, onclick: () => showAs(view) }, say(view === "list" ? "asList" : "asGallery")))),
      make("input", { id: "search", type: "search", placeholder: say("search"), "aria-label": say("search"), oninput: (event) => change({ search: event.target.value }, false) }),
      CATEGORIES.length ? make("select", { id: "category", "aria-label": say("category"), onchange: (event) => change({ category: CATEGORIES[event.target.value] || null }) }, categoryOptions()) : null,
      make("select", { id: "sort", "aria-label": say("order"), onchange: (event) => change({ sort: event.target.value }) }, ORDERS.map((name) => make("option", { value: name }, say(`order_${name}`)))),
      make("button", { type: "button", id: "help", onclick: showKeys, "aria-label": say("keys") }, "?")),
    make("div", { class: "chips", role: "group", "aria-label": say("filters") }, filterNames().map((name) => make("button", { type: "button", "data-filter": name, onclick: () => change({ filter: name }) }, say(name), make("small", {})))),
    make("div", { id: "picked", role: "group", "aria-label": say("picked") }),
    make("p", { id: "found", role: "status" }),
    make("div", { id: "view" }));
  for (const [title, filter] of [["unreadTitle", "unparsed"], ["errorTitle", "error"]]) drawProblems(title, filter);
  drawView();
  drawControls();
  filterRows();
  showChosen();
}

function drawView() {
  const list = () => make("div", { class: "panes" },
    make("div", { id: "list", role: "listbox", tabindex: 0, "aria-label": say("list"), onscroll: scrolled, onkeydown: listKeys }, make("div", { id: "rows", role: "presentation" })),
    make("article", { id: "detail", "aria-live": "off", tabindex: 0, "aria-label": say("row") }));
  fill(document.getElementById("view"), state.view === "gallery" ? make("div", { id: "gallery", onkeydown: galleryKeys }) : list());
}

// As a gallery the failures come first, in the worst category first.
function showAs(view) {
  if (view === state.view) return;
  const failures = state.filter === "all" && QUESTIONS.rows.some(FILTERS.wrong) ? "wrong" : state.filter;
  change(view === "gallery" ? { view, filter: failures, sort: state.sort === "file" ? "worst" : state.sort } : { view });
  showChosen();
}

function filterRows() {
  visibleRows = ordered(matching(), state.sort);
  document.getElementById("found").textContent = visibleRows.length ? `${count(visibleRows.length)} ${say("of")} ${count(QUESTIONS.rows.length)} ${say("shown")}` : say("noRows");
  if (state.view === "gallery") drawGallery(); else drawList();
}

function categoryOptions() {
  const named = CATEGORIES.map((one, number) => ({ ...one, number })).sort((a, b) => (a.name < b.name ? -1 : 1));
  const option = ({ number, name, level }) => make("option", { value: number, title: name.length > LONGEST ? name : null }, capped(inWords(name)) || levelName(level));
  const levels = [...new Set(CATEGORIES.map((one) => one.level))];
  return [make("option", { value: "" }, say("allCategories")), ...levels.map((level) => make("optgroup", { label: capped(levelName(level)) }, named.filter((one) => one.level === level).map(option)))];
}

// What is chosen, on the controls themselves; counts beside the chips are those of the runs that are meant.
let countedFor = null;
function drawControls() {
  if (document.getElementById("search").value !== state.search) document.getElementById("search").value = state.search;
  const select = document.getElementById("category"), meant = `${state.rules} ${state.run}`, chips = [...document.querySelectorAll(".chips button")];
  if (select) select.value = state.category ? CATEGORIES.indexOf(state.category) : "";
  document.getElementById("sort").value = state.sort;
  for (const view of ["list", "gallery"]) document.getElementById(`view-${view}`).setAttribute("aria-pressed", String(view === state.view));
  for (const chip of chips) {
    chip.setAttribute("aria-pressed", String(chip.dataset.filter === state.filter));
    if (meant !== countedFor || !chip.lastChild.textContent) chip.lastChild.textContent = count(QUESTIONS.rows.filter(FILTERS[chip.dataset.filter]).length);
  }
  countedFor = meant;
  drawPicked();
}

// What only a figure above can choose is named here, each with its way out.
function drawPicked() {
  const place = document.getElementById("picked"), off = (part, ...said) => make("button", { type: "button", "data-part": part, onclick: () => change({ [part]: null }) }, said, make("span", { "aria-hidden": "true" }, " ×"), make("span", { class: "unseen" }, ` – ${say("takeAway")}`));
  const letter = (label) => make("b", {}, label === NONE ? say("noneFound") : label === OTHER ? say("other") : nameOf(label));
  place.replaceChildren();
  if (state.run !== null) place.append(off("run", say("run"), " ", runName(state.run) || "A"));
  if (state.answer !== null) place.append(off("answer", say("answered"), ": ", letter(state.answer)));
  if (state.truth !== null) place.append(off("truth", say("truth"), ": ", letter(state.truth)));
  if (state.seconds !== null) place.append(off("seconds", say("atLeast"), " ", duration(state.seconds)));
  const any = Object.entries(CLEAR).some(([name, value]) => state[name] !== value);
  place.hidden = !any;
  if (any) place.append(make("button", { type: "button", id: "clear", onclick: () => { change(CLEAR); focusRows(); } }, say("clear")));
}

function drawProblems(title, filter) {
  const rows = QUESTIONS.rows.filter(FILTERS[filter]), place = document.getElementById(`${filter}-list`);
  if (!place) return undefined;
  if (!rows.length) return place.replaceChildren(make("p", { class: "quiet" }, say("nothing")));
  const said = (row) => row.a.map((answer, i) => (answer && FIGURES.runs[i].kept && statusOf(row, i) === filter ? make("span", { class: "excerpt" }, runName(i), make("bdi", {}, plainText((answer.e || whole(answer.t)).slice(0, 200)) || say("emptyAnswer"))) : null));
  const each = rowCounts(filter);
  place.replaceChildren(make("ul", {}, rows.slice(0, 8).map((row) => make("li", {}, rowLink(row, make("bdi", {}, row.id)), said(row)))),
    make("p", { class: "more" }, opens({ filter }, `${say("showAll")} (${count(rows.length)})`), each.length > 1 ? each.map((n, i) => [" · ", runName(i), n ? opens({ filter, run: "AB"[i] }, count(n)) : "0"]) : null));
}
const rowCounts = (filter) => FIGURES.runs.map((_, i) => QUESTIONS.rows.filter((row) => row.a[i] && statusOf(row, i) === filter).length);

