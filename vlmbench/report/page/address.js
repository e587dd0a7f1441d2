// The address says what is chosen, so that a copied link and the way back open the same: row, filters, search, order,
// view, rule set, and the language and theme that a reader chose.
const ORDERS = ["file", "worst", "slowest", "longest"];
const kept = { language: false, theme: false };

// Parts of the address, as a figure's link has them and as what is chosen is written back.
function linkTo(parts) {
  const said = new URLSearchParams();
  const chosen = { language: kept.language ? ["en", "zh"][state.language] : null, theme: kept.theme ? state.theme : null };
  const all = { rules: state.rules === FIGURES.rules ? null : state.rules, ...parts, ...chosen };
  for (const [name, value] of Object.entries(all)) if (value !== null && value !== undefined) said.set(name, value);
  return `#${said}`;
}
const opens = (parts, ...children) => make("a", { class: "opens", href: linkTo({ filter: "all", ...parts }), onclick: openAgain }, ...children);
// For the mouse only: the number beside a bar opens the same for everybody.
const opensToo = (parts, bar) => put(opens(parts, bar), { class: "opens bars", tabindex: -1, "aria-hidden": "true" }, []);
function openAgain(event) {
  if (event.currentTarget.hash === location.hash) followLink();
}

// A link to one row: what is filtered stays where the row is among it.
function rowLink(row, ...children) {
  return make("a", { href: linkTo({ row: row.id }), onclick: (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (!visibleRows.includes(row)) Object.assign(state, CLEAR);
    state.view = "list";
    state.row = row;
    keepAddress(true);
    drawAnswers();
    document.getElementById("answers").scrollIntoView();
  } }, ...children);
}

function address() {
  const { filter, category, search, run, answer, truth, seconds, sort, view } = state;
  return linkTo({
    view: view === "list" ? null : view, filter: filter === "all" ? null : filter, category: category && `${category.level}:${category.name}`, search: search || null,
    sort: sort === "file" ? null : sort, run: run === null ? null : "AB"[run], answer, truth, seconds, row: state.row === openingRow() ? null : state.row && state.row.id,
  });
}
// A step that the way back should undo is an entry of its own; letters of a search and steps by key are not.
function keepAddress(step = false) {
  if (!QUESTIONS && FIGURES.kind === "runs") return;
  const now = FIGURES.kind === "runs" ? address() : linkTo({});
  if (now === (location.hash || "#")) return;
  const place = now === "#" ? location.pathname + location.search : now;
  try { if (step) history.pushState(null, "", place); else history.replaceState(null, "", place); } catch { /* browsers refuse when it changes too often */ }
}

function asked() {
  if (location.hash.startsWith("#row-")) {
    try { return { row: BY_ID.get(decodeURIComponent(location.hash.slice(5))) }; } catch { return {}; }
  }
  const said = new URLSearchParams(location.hash.slice(1)), known = (value, values) => (values.includes(value) ? value : null);
  const run = "AB".indexOf(said.get("run") || "-"), seconds = Number.parseFloat(said.get("seconds"));
  return {
    rules: known(said.get("rules"), FIGURES.rule_sets) || FIGURES.rules, row: BY_ID.get(said.get("row")),
    filter: known(said.get("filter"), filterNames()) || "all", category: said.has("category") ? categoryNamed(said.get("category")) : null,
    search: said.get("search") || "", run: run >= 0 && run < FIGURES.runs.length ? run : null,
    answer: said.get("answer"), truth: said.get("truth"), seconds: Number.isFinite(seconds) ? seconds : null,
    sort: known(said.get("sort"), ORDERS) || "file", view: known(said.get("view"), ["gallery"]) || "list",
  };
}

// Language and theme of a link; without them the reader's own stay.
function askedLook() {
  const said = new URLSearchParams(location.hash.slice(1)), language = ["en", "zh"].indexOf(said.get("language")), theme = said.get("theme");
  if (language >= 0) { state.language = language; kept.language = true; }
  if (["auto", "light", "dark"].includes(theme)) { setTheme(theme); kept.theme = true; }
}

const LOOKS = ["language", "theme", "rules"];
// What the address asks for is shown; a link to rows brings them into view, the bare page stays where it is.
function followLink() {
  if (!/^(#?$|#row-)|=/.test(location.hash)) return undefined;
  const look = () => `${state.language} ${state.theme} ${state.rules}`, before = look();
  askedLook();
  if (!QUESTIONS) return FIGURES.kind === "training" ? redraw() : undefined;
  const { row, ...parts } = asked();
  Object.assign(state, CLEAR, { sort: "file", view: "list" }, parts);
  visibleRows = ordered(matching(), state.sort);
  state.row = row || (visibleRows.includes(openingRow()) ? openingRow() : visibleRows[0] || null);
  if (before !== look()) redraw(); else drawAnswers();
  keepAddress();
  const named = location.hash.startsWith("#row-") || [...new URLSearchParams(location.hash.slice(1)).keys()].some((name) => !LOOKS.includes(name));
  if (!named) return undefined;
  document.getElementById("answers").scrollIntoView();
  return focusRows();
}

// The row that the page was made to open on; else the first wrong answer of the worst category, of two runs a row
// that only the first got right. Always the same one, whatever is chosen now.
let opening;
function openingRow() {
  if (opening !== undefined) return opening;
  const held = { rules: state.rules, run: state.run }, rows = QUESTIONS.rows;
  Object.assign(state, { rules: FIGURES.rules, run: null });
  const first = ["lost", "wrong", "unparsed", "error"].filter((name) => filterNames().includes(name)).find((name) => rows.some(FILTERS[name]));
  opening = BY_ID.get(FIGURES.opens) || (first ? ordered(rows.filter(FILTERS[first]), "worst")[0] : rows[0]) || null;
  Object.assign(state, held);
  return opening;
}
