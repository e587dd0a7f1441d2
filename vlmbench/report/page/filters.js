// Which rows are listed, and in which order: by what is pressed below, or by the figure that was opened.
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


// A row's own category is its last, the finest; what it is worth is its figure above, or else its rows' mean score.
const categoryOf = (row) => (row.c.length ? CATEGORIES[row.c.at(-1)] : null);
let worthFor = null, worth = new Map();
function worthOf(category) {
  const meant = `${state.rules} ${state.run}`;
  if (worthFor !== meant) { worth = new Map(); worthFor = meant; }
  if (!worth.has(category)) worth.set(category, figureOf(category) ?? meanOf(category) ?? Infinity);
  return worth.get(category);
}
const mean = (values) => (values.length ? values.reduce((a, b) => a + b, 0) / values.length : null);
const runsMeant = () => FIGURES.runs.map((_, i) => i).filter((i) => state.run === null || state.run === i);
function figureOf(category) {
  if (!category) return null;
  const known = runsMeant().map((i) => FIGURES.runs[i].by_rules[state.rules].metrics.find((one) => one.level === category.level && one.name === category.name));
  return known.some((one) => !one || one.value === null) ? null : mean(known.map((one) => one.value));
}
const meanOf = (category) => mean(QUESTIONS.rows.filter((row) => categoryOf(row) === category).flatMap((row) => runsMeant().map((i) => row.a[i]).filter(Boolean).map((answer) => verdictOf(answer)[1])).filter((value) => value !== null));

// Orders: of the file; categories from the worst, wrong rows first in each; by time or length of the answer.
const longest = (row, of) => Math.max(0, ...row.a.map((answer, i) => (answer && (state.run === null || state.run === i) ? of(answer) : 0)));
const lengthOf = (answer) => (Array.isArray(answer.t) ? answer.t[1] : answer.t.length);
const SORT_KEYS = {
  worst: (row) => [worthOf(categoryOf(row)), categoryOf(row) ? categoryOf(row).name : "", row.a.some((answer, i) => answer && isRight(row, i)) ? 1 : 0],
  slowest: (row) => [-longest(row, (answer) => answer.s || 0)],
  longest: (row) => [-longest(row, lengthOf)],
};
function ordered(rows, sort) {
  if (!(sort in SORT_KEYS)) return rows;
  const keyed = rows.map((row) => [SORT_KEYS[sort](row), row]);
  const before = (a, b) => { const at = a.findIndex((x, k) => x !== b[k]); return at < 0 ? 0 : a[at] < b[at] ? -1 : 1; };
  return keyed.sort(([a], [b]) => before(a, b)).map(([, row]) => row);
}
const matching = () => { const tests = rowTests(); return QUESTIONS.rows.filter((row) => tests.every((test) => test(row))); };

// What a reader changes here: where the chosen row is no longer listed, the first of the list is chosen.
function change(parts, step = true) {
  const view = state.view;
  Object.assign(state, parts);
  if (view !== state.view) drawView();
  drawControls();
  filterRows();
  if (!visibleRows.includes(state.row)) { state.row = visibleRows[0] || state.row; showChosen(); }
  keepAddress(step);
}
