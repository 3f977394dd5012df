"use strict";
// A click on a column's head sorts by it: numbers by value, names by alphabet; a second click turns the order round.
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      const sign = descending ? -1 : 1;
      const compare = (a, b) => {
        const [x, y] = [a, b].map((row) => row.cells[column]);
        const [p, q] = [x.dataset.key, y.dataset.key];
        return sign * (x.className === "number" ? number(p) - number(q) || 0 : p.localeCompare(q));
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    });
  });
}

function number(text) {
  // Python writes infinity as "inf".
  return text === "inf" ? Infinity : text === "-inf" ? -Infinity : Number(text);
}
