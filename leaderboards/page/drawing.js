// Elements. Everything that came from models is put in as text (textContent, setAttribute), never as markup.
const $ = (id) => document.getElementById(id);
const make = (tag, name, text) => {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
};

// A name may go on in the next line after its own joints.
const breakable = (node, text) => {
  text.split(/(?<=[_/·-])|(?<=[a-z])(?=[A-Z])/).forEach((piece, i) => node.append(...(i ? [make("wbr")] : []), piece));
  return node;
};
// A stranger's text in a cell; one that runs to the left stays in its place.
const textCell = (text, report) => {
  const cell = make("td", "long");
  cell.append(report === undefined ? breakable(make("bdi"), text) : opening(make("bdi"), text, report));
  return cell;
};
// A text that leads to a run's pictures and answers, where there is such a page.
const opening = (node, text, report) => {
  if (!report) return breakable(node, text);
  const link = breakable(make("a"), text);
  link.href = report;
  node.append(link);
  return node;
};

const sortButton = (label, act) => {
  const button = make("button", "", label);
  button.type = "button";
  button.setAttribute("aria-label", say("sort", { column: label }));
  button.addEventListener("click", act);
  return button;
};

const plainTable = (titles, lines, label, texts = 1) => {
  const table = make("table");
  table.setAttribute("aria-label", label);
  const head = make("tr");
  const body = make("tbody");
  const key = (row, i) => (row.cells[i].dataset.value ?? row.cells[i].textContent);
  titles.forEach((title, i) => {
    const cell = make("th", i >= texts ? "number" : "");
    cell.scope = "col";
    cell.append(
      sortButton(title, () => {
        const down = cell.getAttribute("aria-sort") !== "descending";
        for (const other of head.cells) other.removeAttribute("aria-sort");
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        const sorted = [...body.rows].sort((a, b) => {
          const [x, y] = [parseFloat(key(a, i)), parseFloat(key(b, i))];
          const both = Number.isFinite(x) && Number.isFinite(y);
          if (!both && i >= texts) return Number.isFinite(x) ? -1 : 1;
          const order = both ? x - y : key(a, i) < key(b, i) ? -1 : 1;
          return down ? -order : order;
        });
        body.replaceChildren(...sorted);
      }),
    );
    head.append(cell);
  });
  for (const line of lines) {
    const row = make("tr");
    row.append(...line);
    body.append(row);
  }
  const top = make("thead");
  top.append(head);
  table.append(top, body);
  return table;
};
