// Filters: rows by name, family and size; columns by language.
const sizeOf = (billions) => (billions === null ? "unknown" : billions <= 3 ? "small" : billions <= 10 ? "medium" : "large");
const fill = (id, choices) => {
  const chosen = $(id).value;
  const options = choices.map(([value, text]) => {
    const option = make("option", "", text);
    option.value = value;
    return option;
  });
  $(id).replaceChildren(...options);
  $(id).value = choices.some(([value]) => value === chosen) ? chosen : "";
};
const everyModel = [...data.entries, ...data.quoted.flatMap((table) => table.rows)];
const fillFilters = () => {
  const families = [...new Set(everyModel.map((row) => row[1]))].sort();
  const sizes = ["small", "medium", "large", "unknown"].filter((size) => everyModel.some((r) => sizeOf(r[2]) === size));
  fill("family", [["", say("all")], ...families.map((name) => [name, name])]);
  fill("size", [["", say("all")], ...sizes.map((size) => [size, say(size)])]);
  // Those that are there; the page's own two first.
  const languages = [...new Set([...data.columns, ...data.quoted].flatMap((from) => from.languages.flat()))].sort();
  const order = [...["en", "zh"].filter((code) => languages.includes(code)), ...languages];
  fill("spoken", [["", say("all")], ...[...new Set(order)].map((code) => [code, spoken(code)])]);
};
const wanted = (name, family, billions) =>
  name.toLowerCase().includes($("text").value.trim().toLowerCase()) &&
  ["", family].includes($("family").value) &&
  ["", sizeOf(billions)].includes($("size").value);
const speaks = (languages) => $("spoken").value === "" || languages.includes($("spoken").value);
const filterBoard = () => {
  let shown = 0;
  for (const { entry, row } of rows) {
    row.hidden = !wanted(entry[0], entry[1], entry[2]);
    shown += row.hidden ? 0 : 1;
  }
  const seen = data.columns.map((column) => speaks(column.languages));
  left = seen;
  const board = document.querySelector(".board");
  if (board) {
    const lines = [board.tHead.rows[1], ...rows.map(({ row }) => row)];
    for (const line of lines) seen.forEach((is, i) => (line.cells[i + 2].hidden = !is));
    board.style.setProperty("--columns", seen.filter(Boolean).length);
    let group = -1;
    const spans = [];
    data.columns.forEach((_, i) => {
      if (startsGroup(i)) spans[++group] = 0;
      spans[group] += seen[i] ? 1 : 0;
    });
    spans.forEach((span, i) => {
      const head = board.tHead.rows[0].cells[i + 2];
      head.hidden = !span;
      head.colSpan = span || 1;
      head.style.setProperty("--span", span || 1);
    });
  }
  $("left").textContent = say("left", { shown, all: rows.length });
  arrange();
};
const filterQuoted = () => {
  for (const table of document.querySelectorAll(".quote table")) {
    const seen = [true, ...JSON.parse(table.dataset.languages).map(speaks)];
    let any = false;
    for (const row of table.tBodies[0].rows) {
      const { family, billions } = row.cells[0].dataset;
      row.hidden = !wanted(row.cells[0].textContent, family, billions === "" ? null : Number(billions));
      any ||= !row.hidden;
    }
    for (const row of table.rows) seen.forEach((is, i) => (row.cells[i].hidden = !is));
    table.closest(".quote").hidden = !any || !seen.slice(1).some(Boolean);
  }
};
const filter = () => {
  filterBoard();
  filterQuoted();
};
