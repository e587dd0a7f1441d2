// The tables that others have printed. What their sources and we say of them is English in every language.
const stories = new Map();
const english = (text) => {
  const node = make("span", "", text);
  node.lang = "en";
  return node;
};
const about = (table) => [
  [table.date ?? say("date_unknown"), " (", english(table.dated), ")"],
  [say("rules"), say("tip_colon"), english(table.rules)],
];
const quoteStory = (model, benchmark, figure, table) => {
  const [when, rules] = about(table);
  const quoted = [say("tip_quoted"), say("tip_colon"), english(table.title)];
  return [`${model} · ${benchmark}: ${figure}\n`, ...quoted, "\n", ...when, "\n", ...rules];
};
const quote = (table) => {
  const block = make("div", "quote");
  const cite = make("p", "cite");
  const link = make("a", "", say("source"));
  link.href = table.source;
  link.rel = "noreferrer";
  link.setAttribute("aria-label", `${say("source")}: ${table.title}`);
  const [when, rules] = about(table);
  cite.append(link, " · ", ...when, " · ", ...rules);
  const titles = [say("model"), ...table.benchmarks.map((name) => name.replaceAll("_", " "))];
  const notes = [];
  const lines = table.rows.map(([model, family, billions, figures, doubts]) => {
    const name = make("td", "", model);
    name.dataset.family = family;
    name.dataset.billions = billions ?? "";
    const cells = figures.map((figure, i) => {
      const doubt = doubts[i];
      const cell = make("td", "number", `${figure ?? "–"}${doubt ? " †" : ""}`);
      if (figure) stories.set(cell, () => quoteStory(model, titles[i + 1], figure, table));
      if (doubt) notes.push([`${model}, ${titles[i + 1]}: ${figure} † `, english(doubt)]);
      return cell;
    });
    return [name, ...cells];
  });
  const scroll = make("div", "scroll");
  const drawn = plainTable(titles, lines, table.title);
  drawn.removeAttribute("aria-label");
  const title = make("h3", "", table.title);
  title.lang = "en";
  title.id = `quoted-${data.quoted.indexOf(table)}`;
  drawn.setAttribute("aria-labelledby", title.id);
  drawn.dataset.languages = JSON.stringify(table.languages);
  scroll.append(drawn);
  block.append(title, cite, scroll);
  if (notes.length) {
    const list = make("ul", "notes");
    list.append(
      ...notes.map((note) => {
        const item = make("li");
        item.append(...note);
        return item;
      }),
    );
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
  stories.clear();
  section.append(...data.quoted.map(quote));
};
