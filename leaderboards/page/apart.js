// The tables beside the measured one: runs shown apart, folders refused.
const drawApart = () => {
  $("apart").hidden = !data.apart.length;
  const titles = ["model", "benchmark", "why", "folder", "score", "interval", "questions"].map((key) => say(key));
  const lines = data.apart.map(([model, benchmark, figure, why, detail, folder, report]) => {
    const numbers = Array.isArray(detail) ? say(`${why}_numbers`, detail) : detail;
    const reason = say(why === "rules" ? "rules_missing" : why) + (numbers ? ` (${numbers})` : "");
    const [value, low, high, n] = figure ?? [null, null, null, null];
    return [
      textCell(model),
      textCell(benchmark),
      make("td", "long why", reason),
      textCell(folder, report),
      make("td", "number", value === null ? "–" : value.toFixed(1)),
      make("td", "number", low === null ? "–" : `${low.toFixed(1)}–${high.toFixed(1)}`),
      make("td", "number", n === null ? "–" : n),
    ];
  });
  $("apart").querySelector(".scroll").replaceChildren(plainTable(titles, lines, say("apart"), 4));
};
const drawRefused = () => {
  $("refused").hidden = !data.refused.length;
  const lines = data.refused.map(([folder, reason]) => {
    const why = make("td", "long why", reason);
    why.lang = "en";
    return [textCell(folder), why];
  });
  const table = plainTable([say("folder"), say("why")], lines, say("refused"), 2);
  $("refused").querySelector(".scroll").replaceChildren(table);
};
