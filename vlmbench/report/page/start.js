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
function redraw() {
  const focused = document.activeElement && document.activeElement.id;
  document.documentElement.lang = state.language ? "zh" : "en";
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
  redraw();
  if (FIGURES.kind === "training") return;
  document.addEventListener("DOMContentLoaded", () => {
    readQuestions();
    drawAnswers();
    followLink();
  });
  document.addEventListener("keydown", pageKeys);
  window.addEventListener("hashchange", followLink);
  window.addEventListener("resize", () => { if (QUESTIONS) drawWindow(); });
}
begin();
