// The list of rows: filters, search, keys, and a window that only draws what is in sight.
let drawn = new Map();
const HEIGHT = 68;

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
      make("input", { id: "search", type: "search", placeholder: say("search"), "aria-label": say("search"), oninput: (event) => { state.search = event.target.value; filterRows(); drawPicked(); keepAddress(); } }),
      CATEGORIES.length ? make("select", { id: "category", "aria-label": say("category"), onchange: (event) => change({ category: CATEGORIES[event.target.value] || null }) }, categoryOptions()) : null,
      make("button", { type: "button", id: "help", onclick: showKeys, "aria-label": say("keys") }, "?")),
    make("div", { class: "chips", role: "group", "aria-label": say("answers") }, filterNames().map((name) => make("button", { type: "button", "data-filter": name, onclick: () => change({ filter: name }) }, say(name), make("small", {})))),
    make("div", { id: "picked", role: "group", "aria-label": say("picked") }),
    make("p", { id: "found", role: "status" }),
    make("div", { class: "panes" },
      make("div", { id: "list", role: "listbox", tabindex: 0, "aria-label": say("list"), onscroll: scrolled, onkeydown: listKeys }, make("div", { id: "rows", role: "presentation" })),
      make("article", { id: "detail", "aria-live": "off", tabindex: 0, "aria-label": say("answers") })));
  for (const [title, filter] of [["unreadTitle", "unparsed"], ["errorTitle", "error"]]) drawProblems(title, filter);
  drawControls();
  filterRows();
  drawDetail();
}

function categoryOptions() {
  const named = CATEGORIES.map((one, number) => ({ ...one, number })).sort((a, b) => (a.name < b.name ? -1 : 1));
  const option = ({ number, name, level }) => make("option", { value: number, title: name.length > LONGEST ? name : null }, capped(name) || levelName(level));
  const levels = [...new Set(CATEGORIES.map((one) => one.level))];
  return [make("option", { value: "" }, say("allCategories")), ...levels.map((level) => make("optgroup", { label: capped(levelName(level)) }, named.filter((one) => one.level === level).map(option)))];
}

// What is chosen, on the controls themselves; counts beside the chips are those of the runs that are meant.
let countedFor = null;
function drawControls() {
  document.getElementById("search").value = state.search;
  const select = document.getElementById("category"), meant = `${state.rules} ${state.run}`, chips = [...document.querySelectorAll(".chips button")];
  if (select) select.value = state.category ? CATEGORIES.indexOf(state.category) : "";
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
  if (any) place.append(make("button", { type: "button", id: "clear", onclick: () => { change(CLEAR); document.getElementById("list").focus({ preventScroll: true }); } }, say("clear")));
}

function drawProblems(title, filter) {
  const rows = QUESTIONS.rows.filter(FILTERS[filter]), place = document.getElementById(`${filter}-list`);
  if (!place) return undefined;
  if (!rows.length) return place.replaceChildren(make("p", { class: "quiet" }, say("nothing")));
  const said = (row) => row.a.map((answer, i) => (answer && FIGURES.runs[i].kept && statusOf(row, i) === filter ? make("span", { class: "excerpt" }, runName(i), make("bdi", {}, plainText((answer.e || whole(answer.t)).slice(0, 200)) || say("emptyAnswer"))) : null));
  const each = rowCounts(filter);
  place.replaceChildren(make("ul", {}, rows.slice(0, 8).map((row) => make("li", {}, make("a", { href: `#row-${encodeURIComponent(row.id)}` }, make("bdi", {}, row.id)), said(row)))),
    make("p", { class: "more" }, opens({ filter }, `${say("showAll")} (${count(rows.length)})`), each.length > 1 ? each.map((n, i) => [" · ", runName(i), n ? opens({ filter, run: "AB"[i] }, count(n)) : "0"]) : null));
}
const rowCounts = (filter) => FIGURES.runs.map((_, i) => QUESTIONS.rows.filter((row) => row.a[i] && statusOf(row, i) === filter).length);

function filterRows() {
  const tests = rowTests();
  visibleRows = QUESTIONS.rows.filter((row) => tests.every((test) => test(row)));
  document.getElementById("found").textContent = visibleRows.length ? `${count(visibleRows.length)} ${say("of")} ${count(QUESTIONS.rows.length)} ${say("shown")}` : say("noRows");
  document.getElementById("rows").style.height = `${visibleRows.length * HEIGHT}px`;
  for (const node of drawn.values()) node.remove();
  drawn.clear();
  const at = visibleRows.indexOf(state.row), list = document.getElementById("list");
  if (at < 0) list.scrollTop = 0; else bringIntoView(at);
  drawWindow();
}

let waiting = false;
function scrolled() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; drawWindow(); });
}

function drawWindow() {
  const list = document.getElementById("list"), rows = document.getElementById("rows");
  const first = Math.max(0, Math.floor(list.scrollTop / HEIGHT) - 3), last = Math.min(visibleRows.length, Math.ceil((list.scrollTop + list.clientHeight) / HEIGHT) + 3);
  for (const [at, node] of drawn) if (at < first || at >= last) { node.remove(); drawn.delete(at); }
  for (let at = first; at < last; at += 1) {
    if (drawn.has(at)) continue;
    const node = rowNode(visibleRows[at], at);
    drawn.set(at, node);
    rows.append(node);
  }
  const chosen = document.querySelector("#rows [aria-selected=true]");
  if (chosen) list.setAttribute("aria-activedescendant", chosen.id); else list.removeAttribute("aria-activedescendant");
}

function rowNode(row, at) {
  const node = make("div", { class: "row", role: "option", id: `item-${at}`, "aria-selected": String(row === state.row), "aria-setsize": visibleRows.length, "aria-posinset": at + 1, onclick: () => choose(row) },
    row.p.length ? laterPicture(row.p[0]) : make("span", { class: "thumb" }),
    make("span", { class: "words" }, make("span", { class: "line" }, make("bdi", {}, plainText(whole(row.q).slice(0, 300)))), make("span", { class: "under" }, make("bdi", {}, row.id), row.c.length ? make("bdi", {}, ` · ${capped(CATEGORIES[row.c.at(-1)].name)}`) : null)),
    make("span", { class: "marks" }, row.a.map((answer, i) => make("span", {}, runName(i), mark(statusOf(row, i), answer && !answer.e ? (verdictOf(answer)[0] || "").slice(0, 12) : "")))));
  node.style.transform = `translateY(${at * HEIGHT}px)`;
  return node;
}

// Pictures come two a frame, so that a fling through the list never waits for them.
let wanted = [];
function laterPicture(number) {
  const node = make("span", { class: "thumb" });
  if (!wanted.length) requestAnimationFrame(drawPictures);
  wanted.push([node, number]);
  return node;
}
function drawPictures() {
  wanted = wanted.filter(([node]) => node.isConnected);
  for (const [node, number] of wanted.splice(0, 2)) node.replaceWith(picture(number, { alt: "", class: "thumb" }));
  if (wanted.length) requestAnimationFrame(drawPictures);
}

function bringIntoView(at) {
  const list = document.getElementById("list"), top = at * HEIGHT;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + HEIGHT > list.scrollTop + list.clientHeight) list.scrollTop = top + HEIGHT - list.clientHeight;
}

function choose(row) {
  state.row = row;
  keepAddress();
  const at = visibleRows.indexOf(row);
  for (const [place, node] of drawn) node.setAttribute("aria-selected", String(place === at));
  if (at >= 0) bringIntoView(at);
  drawWindow();
  drawDetail();
}

function step(by) {
  if (!visibleRows.length) return;
  const at = visibleRows.indexOf(state.row);
  choose(visibleRows[at < 0 ? 0 : Math.max(0, Math.min(visibleRows.length - 1, at + by))]);
}

// Keys work wherever the page is scrolled to, and what they do must be seen.
function bringAnswersIntoView() {
  const { top, bottom } = document.querySelector(".panes").getBoundingClientRect();
  if (top > window.innerHeight * 0.6 || bottom < window.innerHeight * 0.4) document.getElementById("answers").scrollIntoView();
}

function listKeys(event) {
  const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -Infinity, End: Infinity };
  if (!(event.key in moves)) return;
  event.preventDefault();
  step(moves[event.key]);
}

function showKeys() {
  const keys = [["j k ↓ ↑", "keyNext"], ["Home End", "keyEnds"], ["/", "keySearch"], ["w", "keyWrong"], ["u", "keyUnparsed"], ["?", "keyHelp"], ["Esc", "keyEscape"]];
  const dialog = make("dialog", { id: "keys", "aria-labelledby": "keys-title" }, make("h2", { id: "keys-title" }, say("keys")),
    make("dl", {}, keys.map(([key, what]) => make("div", {}, make("dt", {}, key.split(" ").map((k) => make("kbd", {}, k))), make("dd", {}, say(what))))),
    make("form", { method: "dialog" }, make("button", { onclick: (event) => { event.preventDefault(); dialog.close(); } }, say("close"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.getElementById("dialogs").replaceChildren(dialog);
  dialog.showModal();
}

function pageKeys(event) {
  const typing = event.target.closest("input, select, textarea, dialog");
  if (event.key === "Escape" && typing && typing.id === "search") { typing.blur(); return change({ search: "" }); }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !QUESTIONS) return;
  const toggle = (name) => change({ filter: state.filter === name ? "all" : name });
  const actions = { j: () => step(1), k: () => step(-1), "/": () => document.getElementById("search").focus(), "?": showKeys, w: () => toggle("wrong"), u: () => toggle("unparsed") };
  if (!(event.key in actions)) return;
  event.preventDefault();
  actions[event.key]();
  if (event.key !== "?") bringAnswersIntoView();
}
