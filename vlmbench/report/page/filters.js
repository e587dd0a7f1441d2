// Which rows are listed: by what is pressed below, or by the figure that was opened. The address says it all.
let QUESTIONS = null, GROUPS = new Map(), BY_ID = new Map(), CATEGORIES = [], visibleRows = [];
const CLEAR = { filter: "all", category: null, search: "", run: null, answer: null, truth: null, seconds: null };
const NONE = "∅", OTHER = "…";

const some = (test) => (row) => row.a.some((answer, i) => answer && (state.run === null || state.run === i) && test(row, i, answer));
// As in the test: a row without a score in one of the runs has not flipped.
const bothScored = (row) => row.a.every((answer) => answer && !answer.e && verdictOf(answer)[1] !== null);
const FILTERS = {
  all: () => true,
  wrong: some((row, i, answer) => !answer.e && verdictOf(answer)[1] !== null && !isRight(row, i)),
  right: some((row, i) => isRight(row, i)),
  unparsed: some((row, i) => statusOf(row, i) === "unparsed"),
  error: some((row, i, answer) => Boolean(answer.e)),
  disagree: some((row, i, answer) => new Set(answer.v.filter((k) => k !== null).map((k) => QUESTIONS.verdicts[k][1]).filter((value) => value !== null)).size > 1),
  flipped: (row) => bothScored(row) && isRight(row, 0) !== isRight(row, 1),
  gained: (row) => bothScored(row) && !isRight(row, 0) && isRight(row, 1),
  lost: (row) => bothScored(row) && isRight(row, 0) && !isRight(row, 1),
};
const filterNames = () => Object.keys(FILTERS).filter((name) => (FIGURES.runs.length > 1 || !["flipped", "gained", "lost"].includes(name)) && (anyKept() || name !== "error"));

function readQuestions() {
  QUESTIONS = JSON.parse(document.getElementById("data-questions").textContent);
  CATEGORIES = QUESTIONS.categories.map(([level, name], number) => ({ level, name, has: (row) => row.c.includes(number) }));
  if (FIGURES.circular) CATEGORIES.push({ level: "base", name: "", has: (row) => row.id === row.g });
  for (const row of QUESTIONS.rows) {
    BY_ID.set(row.id, row);
    if (!GROUPS.has(row.g)) GROUPS.set(row.g, []);
    GROUPS.get(row.g).push(row);
  }
}
const categoriesOf = (row) => [...new Set(row.c.map((number) => CATEGORIES[number].name))];

// The category that a figure is about: a name of its level, or one that the figure's name begins with.
function categoryNamed(text) {
  const [level, ...rest] = text.split(":"), name = rest.join(":"), peers = CATEGORIES.filter((one) => one.level === level);
  return peers.find((one) => one.name === name) || peers.find((one) => one.name === "" || name.startsWith(`${one.name} `)) || CATEGORIES.find((one) => one.name === name) || null;
}

// What was found in an answer, as the tables of letters count it; null where they leave the row out.
function counted(row, i) {
  const answer = row.a[i], table = FIGURES.runs[i].by_rules[state.rules].answers;
  if (!hasVerdict(answer) || answer.e || row.r.length !== 1 || !table) return null;
  const [found] = verdictOf(answer), same = (label) => label.toLowerCase() === found.toLowerCase();
  return found === null ? NONE : table.labels.find(same) ?? OTHER;
}
const letterTest = some((row, i) => {
  const found = counted(row, i);
  return found !== null && (state.answer === null || found === state.answer) && (state.truth === null || row.r[0].toLowerCase() === state.truth.toLowerCase());
});

function haystack(row) {
  row.text ??= [row.id, whole(row.q), whole(row.h), ...row.o.map(([letter, text]) => `${letter}. ${whole(text)}`), ...row.r, ...categoriesOf(row), ...row.a.map((answer) => (answer ? `${whole(answer.t)} ${answer.k ? whole(answer.k) : ""} ${answer.e}` : ""))].join("\n").toLowerCase();
  return row.text;
}

function rowTests() {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean), tests = [FILTERS[state.filter]];
  if (state.category) tests.push(state.category.has);
  if (state.answer !== null || state.truth !== null) tests.push(letterTest);
  if (state.seconds !== null) tests.push(some((row, i, answer) => answer.s >= state.seconds));
  if (words.length) tests.push((row) => words.every((word) => haystack(row).includes(word)));
  return tests;
}

// Parts of the address, as a figure's link has them and as what is chosen is written back.
function linkTo(parts) {
  const said = new URLSearchParams();
  const all = { rules: state.rules === FIGURES.rules ? null : state.rules, ...parts };
  for (const [name, value] of Object.entries(all)) if (value !== null && value !== undefined) said.set(name, value);
  return `#${said}`;
}
const opens = (parts, ...children) => make("a", { class: "opens", href: linkTo({ filter: "all", ...parts }), onclick: openAgain }, ...children);
// For the mouse only: the number beside a bar opens the same for everybody.
const opensToo = (parts, bar) => put(opens(parts, bar), { class: "opens bars", tabindex: -1, "aria-hidden": "true" }, []);
function openAgain(event) {
  if (event.currentTarget.hash === location.hash) followLink();
}

function address() {
  const { filter, category, search, run, answer, truth, seconds } = state, row = state.row && state.row.id;
  const parts = { filter: filter === "all" ? null : filter, category: category && `${category.level}:${category.name}`, search: search || null, run: run === null ? null : "AB"[run], answer, truth, seconds };
  const said = linkTo(parts);
  if (said === "#") return row === null ? "#" : `#row-${encodeURIComponent(row)}`;
  return linkTo({ ...parts, row });
}
function keepAddress() {
  if (!QUESTIONS || address() === (location.hash || "#")) return;
  try { history.replaceState(null, "", address()); } catch { /* browsers refuse when it changes too often */ }
}

function asked() {
  if (location.hash.startsWith("#row-")) {
    try { return { row: BY_ID.get(decodeURIComponent(location.hash.slice(5))) }; } catch { return null; }
  }
  const said = new URLSearchParams(location.hash.slice(1)), known = (value, values) => (values.includes(value) ? value : null);
  if (!location.hash.includes("=")) return null;
  const run = "AB".indexOf(said.get("run") || "-"), seconds = Number.parseFloat(said.get("seconds"));
  return {
    rules: known(said.get("rules"), FIGURES.rule_sets) || FIGURES.rules, row: BY_ID.get(said.get("row")),
    filter: known(said.get("filter"), filterNames()) || "all", category: said.has("category") ? categoryNamed(said.get("category")) : null,
    search: said.get("search") || "", run: run >= 0 && run < FIGURES.runs.length ? run : null,
    answer: said.get("answer"), truth: said.get("truth"), seconds: Number.isFinite(seconds) ? seconds : null,
  };
}

// Rows that are linked to are shown whatever was filtered before; a figure's link says what is.
function followLink() {
  if (!QUESTIONS) return;
  const want = asked();
  if (!want || (location.hash.startsWith("#row-") && !want.row)) { if (["", "#"].includes(location.hash)) change(CLEAR); return; }
  const { row, ...parts } = want, rules = parts.rules || state.rules, other = rules !== state.rules;
  if (row && !("filter" in parts) && !visibleRows.includes(row)) Object.assign(parts, CLEAR);
  Object.assign(state, parts, row ? { row } : {});
  if (other) redraw(); else { drawControls(); filterRows(); }
  if (row) choose(row); else keepAddress();
  document.getElementById("answers").scrollIntoView();
  if (!row) document.getElementById("list").focus({ preventScroll: true });
}

function change(parts) {
  Object.assign(state, parts);
  drawControls();
  filterRows();
  keepAddress();
}
