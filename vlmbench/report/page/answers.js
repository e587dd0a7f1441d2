// The list of rows: filters, search, keys, and a window that only draws what is in sight.
let QUESTIONS = null, GROUPS = new Map(), BY_ID = new Map(), visibleRows = [], drawn = new Map();
const HEIGHT = 68;

const FILTERS = {
  all: () => true,
  wrong: (row) => row.a.some((answer, i) => answer && !answer.e && verdictOf(answer)[1] !== null && !isRight(row, i)),
  right: (row) => row.a.some((_, i) => isRight(row, i)),
  unparsed: (row) => row.a.some((_, i) => statusOf(row, i) === "unparsed"),
  error: (row) => row.a.some((answer) => answer && answer.e),
  disagree: (row) => row.a.some((answer) => answer && new Set(answer.v.map((k) => QUESTIONS.verdicts[k][1]).filter((value) => value !== null)).size > 1),
  flipped: (row) => row.a.every(Boolean) && isRight(row, 0) !== isRight(row, 1),
  gained: (row) => row.a.every(Boolean) && !isRight(row, 0) && isRight(row, 1),
  lost: (row) => row.a.every(Boolean) && isRight(row, 0) && !isRight(row, 1),
};
const filterNames = () => Object.keys(FILTERS).filter((name) => FIGURES.runs.length > 1 || !["flipped", "gained", "lost"].includes(name));

function readQuestions() {
  QUESTIONS = JSON.parse(document.getElementById("data-questions").textContent);
  for (const row of QUESTIONS.rows) {
    BY_ID.set(row.id, row);
    if (!GROUPS.has(row.g)) GROUPS.set(row.g, []);
    GROUPS.get(row.g).push(row);
  }
}

function haystack(row) {
  row.text ??= [row.id, whole(row.q), whole(row.h), ...row.o.map(([letter, text]) => `${letter}. ${whole(text)}`), ...row.r, ...row.c, ...row.a.map((answer) => (answer ? `${whole(answer.t)} ${answer.e}` : ""))].join("\n").toLowerCase();
  return row.text;
}

function drawAnswers() {
  const section = document.getElementById("answers");
  const names = [...new Set(QUESTIONS.rows.flatMap((row) => row.c))].sort();
  section.hidden = false;
  section.setAttribute("aria-label", say("answers"));
  fill(section,
    make("h2", {}, say("answers")),
    QUESTIONS.notes.map((note) => make("p", { class: "quiet" }, NOTES[note][state.language])),
    make("div", { class: "toolbar" },
      make("input", { id: "search", type: "search", placeholder: say("search"), "aria-label": say("search"), value: state.search, oninput: (event) => { state.search = event.target.value; filterRows(); } }),
      names.length ? make("select", { id: "category", "aria-label": say("category"), onchange: (event) => { state.category = event.target.value; filterRows(); } },
        make("option", { value: "" }, say("allCategories")), names.map((name) => make("option", { value: name, selected: name === state.category, title: name }, capped(name)))) : null,
      make("button", { type: "button", id: "help", onclick: showKeys, "aria-label": say("keys") }, "?")),
    make("div", { class: "chips", role: "group", "aria-label": say("answers") }, filterNames().map((name) => make("button", { type: "button", "data-filter": name, "aria-pressed": "false", onclick: () => setFilter(name) }, say(name), make("small", {}, count(QUESTIONS.rows.filter(FILTERS[name]).length))))),
    make("p", { id: "found", role: "status" }),
    make("div", { class: "panes" },
      make("div", { id: "list", role: "listbox", tabindex: 0, "aria-label": say("list"), onscroll: scrolled, onkeydown: listKeys }, make("div", { id: "rows", role: "presentation" })),
      make("article", { id: "detail", "aria-live": "off", tabindex: 0, "aria-label": say("answers") })));
  for (const [title, filter] of [["unreadTitle", "unparsed"], ["errorTitle", "error"]]) drawProblems(title, filter);
  filterRows();
  drawDetail();
}

function drawProblems(title, filter) {
  const rows = QUESTIONS.rows.filter(FILTERS[filter]), place = document.getElementById(`${filter}-list`);
  if (!rows.length) return place.replaceChildren(make("p", { class: "quiet" }, say("nothing")));
  const said = (row) => row.a.map((answer, i) => (answer && statusOf(row, i) === filter ? make("span", { class: "excerpt" }, runName(i), make("bdi", {}, plainText((answer.e || whole(answer.t)).slice(0, 200)) || say("emptyAnswer"))) : null));
  place.replaceChildren(make("ul", {}, rows.slice(0, 8).map((row) => make("li", {}, make("a", { href: `#row-${encodeURIComponent(row.id)}` }, make("bdi", {}, row.id)), said(row)))),
    make("button", { type: "button", onclick: () => { setFilter(filter); document.getElementById("answers").scrollIntoView(); } }, `${say("showAll")} (${count(rows.length)})`));
}

function setFilter(name) {
  state.filter = name;
  filterRows();
}

function filterRows() {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean), keepRow = FILTERS[state.filter];
  visibleRows = QUESTIONS.rows.filter((row) => keepRow(row) && (!state.category || row.c.includes(state.category)) && words.every((word) => haystack(row).includes(word)));
  for (const chip of document.querySelectorAll(".chips button")) chip.setAttribute("aria-pressed", String(chip.dataset.filter === state.filter));
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
    make("span", { class: "words" }, make("span", { class: "line" }, make("bdi", {}, plainText(whole(row.q).slice(0, 300)))), make("span", { class: "under" }, make("bdi", {}, row.id), row.c.length ? make("bdi", {}, ` · ${row.c.at(-1)}`) : null)),
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

function choose(row, { quiet = false } = {}) {
  state.row = row;
  if (!quiet) history.replaceState(null, "", `#row-${encodeURIComponent(row.id)}`);
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
  if (event.key === "Escape" && typing && typing.id === "search") { typing.value = state.search = ""; typing.blur(); return filterRows(); }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !QUESTIONS) return;
  const toggle = (name) => setFilter(state.filter === name ? "all" : name);
  const actions = { j: () => step(1), k: () => step(-1), "/": () => document.getElementById("search").focus(), "?": showKeys, w: () => toggle("wrong"), u: () => toggle("unparsed") };
  if (!(event.key in actions)) return;
  event.preventDefault();
  actions[event.key]();
}

function followLink() {
  if (!location.hash.startsWith("#row-")) return;
  let id = "";
  try { id = decodeURIComponent(location.hash.slice(5)); } catch { return; }
  const row = BY_ID.get(id);
  if (!row) return;
  if (!visibleRows.includes(row)) { Object.assign(state, { filter: "all", category: "", search: "" }); state.row = row; drawAnswers(); }
  choose(row, { quiet: true });
  document.getElementById("answers").scrollIntoView();
}

