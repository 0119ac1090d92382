"use strict";
document.documentElement.classList.add("js");

// Names of columns into the cells of tables that a phone shows as cards.
for (const table of document.querySelectorAll("table.cards")) {
  const names = [...table.tHead.rows[0].cells].map((head) => head.textContent);
  for (const row of table.tBodies[0].rows) {
    [...row.cells].forEach((cell, place) => { if (names[place]) cell.dataset.name = names[place]; });
  }
}

// A click on a head sorts by its column: numbers from the largest, texts from the first; once more turns it round.
const key = (row, place) => {
  const cell = row.cells[place];
  const value = cell.dataset.value;
  return value === undefined ? cell.textContent.trim() : value === "nan" ? -Infinity : Number(value);
};
const sort = (head) => {
  const table = head.closest("table");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const place = head.cellIndex;
  const keys = new Map(rows.map((row) => [row, key(row, place)]));
  const numbers = [...keys.values()].every((value) => typeof value === "number");
  const before = head.getAttribute("aria-sort");
  const rising = before ? before === "descending" : !numbers;
  const compare = numbers ? (a, b) => a - b : (a, b) => String(a).localeCompare(String(b), undefined, { numeric: true });
  rows.sort((a, b) => (rising ? 1 : -1) * compare(keys.get(a), keys.get(b)));
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", rising ? "ascending" : "descending");
  body.append(...rows);
};
for (const head of document.querySelectorAll("table:not(.matrix) thead th")) {
  head.tabIndex = 0;
  head.addEventListener("click", () => sort(head));
  head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(head); });
}

// A search hides the rows of the table after it that lack one of its words.
for (const input of document.querySelectorAll("input[type=search]")) {
  const rows = [...document.getElementById(input.dataset.table).querySelectorAll("tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row, place) => { row.hidden = !words.every((word) => texts[place].includes(word)); });
  });
}

// A link into a closed part opens it.
const open = () => {
  for (let part = document.getElementById(location.hash.slice(1)); part; part = part.parentElement) {
    if (part.tagName === "DETAILS") part.open = true;
  }
};
addEventListener("hashchange", () => { open(); document.getElementById(location.hash.slice(1))?.scrollIntoView(); });
open();
