// The figures at once; the questions when the rest of the file has been read.
const FIGURES = JSON.parse(document.getElementById("data-figures").textContent);

function keep() {
  try { localStorage.setItem("vlmbench-report", JSON.stringify({ language: state.language, theme: state.theme })); } catch { /* a page from disk may not keep anything */ }
}
function remembered() {
  try { return JSON.parse(localStorage.getItem("vlmbench-report")) || {}; } catch { return {}; }
}
function setTheme(name) {
  state.theme = name;
  if (name === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = name;
  keep();
}
// As a tab or a bookmark has it: the benchmark, each run with its score, and what the page is.
const kindOf = () => say(FIGURES.kind === "training" ? "training" : FIGURES.runs.length > 1 ? "sideBySide" : "report");
function titleOf() {
  const kind = kindOf();
  if (FIGURES.kind === "training") return `${FIGURES.runs.map((run) => run.folder).join(say("and"))} · ${kind}`;
  const scored = FIGURES.runs.map((run) => { const { value, unit } = run.by_rules[state.rules].headline; return value === null ? plainText(run.model) : `${plainText(run.model)} ${amount(value, unit)}`; });
  return `${plainText(FIGURES.benchmark)}: ${scored.join(say("and"))} · ${kind}`;
}
function redraw() {
  const focused = document.activeElement && document.activeElement.id;
  document.documentElement.lang = state.language ? "zh" : "en";
  document.title = titleOf();
  masthead();
  if (FIGURES.kind === "training") drawCurves(); else drawFigures();
  if (QUESTIONS) drawAnswers();
  const again = focused && document.getElementById(focused);
  if (again) again.focus();
}
function begin() {
  const before = remembered();
  state.language = before.language === undefined ? Number((navigator.language || "").startsWith("zh")) : Number(Boolean(before.language));
  state.rules = FIGURES.rules;
  setTheme(["light", "dark"].includes(before.theme) ? before.theme : "auto");
  askedLook();
  redraw();
  window.addEventListener("hashchange", followLink);
  if (FIGURES.kind === "training") return;
  document.addEventListener("DOMContentLoaded", () => {
    readQuestions();
    followLink();
  });
  document.addEventListener("keydown", pageKeys);
  window.addEventListener("resize", () => { if (QUESTIONS && state.view === "list") { bringIntoView(Math.max(0, visibleRows.indexOf(state.row))); drawWindow(); } });
}
begin();
