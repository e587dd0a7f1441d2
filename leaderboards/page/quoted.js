// The tables that others have printed.
const when = (table) => `${table.date ?? say("date_unknown")} (${table.dated})`;
const quoteStory = (model, benchmark, figure, table) =>
  [`${model} · ${benchmark}: ${figure}`, say("tip_quoted", table), when(table), `${say("rules")}: ${table.rules}`].join("\n");
const quote = (table) => {
  const block = make("div", "quote");
  const cite = make("p", "cite");
  const link = make("a", "", say("source"));
  link.href = table.source;
  link.rel = "noreferrer";
  link.setAttribute("aria-label", `${say("source")}: ${table.title}`);
  cite.append(link, ` · ${when(table)} · ${say("rules")}: ${table.rules}`);
  const titles = [say("model"), ...table.benchmarks.map((name) => name.replaceAll("_", " "))];
  const notes = [];
  const lines = table.rows.map(([model, family, billions, figures, doubts]) => {
    const name = make("td", "", model);
    name.dataset.family = family;
    name.dataset.billions = billions ?? "";
    const cells = figures.map((figure, i) => {
      const doubt = doubts[i];
      const cell = make("td", "number", `${figure ?? "–"}${doubt ? " †" : ""}`);
      if (figure) cell.dataset.tip = quoteStory(model, titles[i + 1], figure, table);
      if (doubt) notes.push(`${model}, ${titles[i + 1]}: ${figure} † ${doubt}`);
      return cell;
    });
    return [name, ...cells];
  });
  const scroll = make("div", "scroll");
  const drawn = plainTable(titles, lines, table.title);
  drawn.dataset.languages = JSON.stringify(table.languages);
  scroll.append(drawn);
  block.append(make("h3", "", table.title), cite, scroll);
  if (notes.length) {
    const list = make("ul", "notes");
    list.append(...notes.map((note) => make("li", "", note)));
    const said = make("details", "cite");
    said.append(make("summary", "", `† ${say("disagree")} ${notes.length}`), list);
    block.append(said);
  }
  return block;
};
const drawQuoted = () => {
  const section = $("quoted");
  section.hidden = !data.quoted.length;
  for (const old of section.querySelectorAll(".quote")) old.remove();
  section.append(...data.quoted.map(quote));
};
