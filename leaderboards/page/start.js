// Language, theme, and who listens to what.
const keep = (name, value) => {
  try {
    localStorage.setItem(`vlmbench-${name}`, value);
  } catch {
    // A page opened from disk may have no storage.
  }
};
const kept = (name) => {
  try {
    return localStorage.getItem(`vlmbench-${name}`);
  } catch {
    return null;
  }
};
const setTheme = (theme) => {
  state.theme = theme;
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  $("theme").textContent = say(`theme_${theme}`);
};
const speak = (language) => {
  state.language = language;
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = `${say("title")} · vlmbench`;
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = say(node.dataset.word);
  $("language").textContent = say("language_button");
  $("language").lang = language === "zh" ? "en" : "zh-CN";
  $("counts").textContent = say("counts", {
    models: counted("models", data.entries.length),
    columns: counted("columns", data.columns.length),
    rules: data.rules,
  });
  $("column-notes").replaceChildren(
    ...data.columns.flatMap((column) => column.notes.map((note) => make("li", "", `${column.key}: ${sentence(note)}`))),
  );
  setTheme(state.theme);
  fillFilters();
  drawBoard();
  drawApart();
  drawRefused();
  drawQuoted();
  filter();
};
$("language").addEventListener("click", () => {
  speak(state.language === "en" ? "zh" : "en");
  keep("language", state.language);
});
$("theme").addEventListener("click", () => {
  setTheme(themes[(themes.indexOf(state.theme) + 1) % themes.length]);
  keep("theme", state.theme);
});
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("input", filter);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
    event.preventDefault();
    $("text").focus();
  }
  if (event.key === "Escape") hideTip();
  walk(event);
});
const grid = $("grid");
for (const section of [grid, $("quoted")]) {
  section.addEventListener("mouseover", (event) => showTip(event.target.closest("td")));
  section.addEventListener("mouseleave", hideTip);
}
grid.addEventListener("focusin", (event) => showTip(event.target));
grid.addEventListener("focusout", hideTip);
grid.addEventListener("scroll", hideTip);
addEventListener("scroll", hideTip, { passive: true });
// A table that is wider than its place says that it can be moved.
const wider = new ResizeObserver((entries) => entries.forEach(({ target }) => target.classList.toggle("wider", target.scrollWidth > target.clientWidth)));
wider.observe(grid);
// Paper cannot be clicked: what is folded is opened for it.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((node) => (node.open = true)));
if (themes.includes(kept("theme"))) state.theme = kept("theme");
speak(kept("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en"));
