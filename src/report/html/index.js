
"use strict";
// Sorting and filtering of the one table. Without it the table is complete, in its first order.
(() => {
  const table = document.getElementById("sessions");
  if (!table) return;
  const body = table.tBodies[0];
  const form = document.getElementById("filters");
  const count = document.getElementById("count");
  const heads = [...table.tHead.rows[0].cells];
  const field = (id) => document.getElementById(id);
  const [find, order] = [field("find"), field("order")];
  const choices = ["fault", "cause", "how"].map(field);
  const collator = new Intl.Collator("en", { numeric: true });
  const rows = [...body.rows].map((tr, place) => ({ tr, place, text: tr.textContent.toLowerCase(), keys: [] }));
  const key = (row, column) =>
    (row.keys[column] ??= row.tr.cells[column].dataset.key ?? row.tr.cells[column].textContent);
  let sorted = { column: -1, direction: "" };
  let timer = 0;

  const tell = (shown) => {
    // A screen reader is told once the typing has paused.
    clearTimeout(timer);
    timer = setTimeout(() => {
      const all = rows.length.toLocaleString("en");
      const part = shown === rows.length ? `${all} sessions` : `${shown.toLocaleString("en")} of ${all} sessions`;
      const by = sorted.column >= 0 ? `, by ${heads[sorted.column].textContent.toLowerCase()}, ${sorted.direction}` : "";
      count.textContent = part + by;
    }, 150);
  };

  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { tr, text } of rows) {
      const fits = words.every((word) => text.includes(word))
        && choices.every((choice) => !choice.value || tr.dataset[choice.id] === choice.value);
      tr.hidden = !fits;
      shown += fits;
    }
    tell(shown);
  };

  const sort = (column, direction) => {
    sorted = { column, direction };
    const sign = direction === "descending" ? -1 : 1;
    const compare = column < 0 ? () => 0 : (a, b) => {
      const [x, y] = [key(a, column), key(b, column)];
      // Numbers need no collator; it takes the rest, and what has no number.
      const difference = x - y;
      return sign * (x && y && !Number.isNaN(difference) ? difference : collator.compare(x, y));
    };
    rows.sort((a, b) => compare(a, b) || a.place - b.place);
    body.append(...rows.map((row) => row.tr));
    heads.forEach((head, place) => {
      if (place === column) head.setAttribute("aria-sort", direction);
      else head.removeAttribute("aria-sort");
    });
    order.value = column < 0 ? "" : `${column} ${direction}`;
  };

  // The address holds what was chosen, so that a link or the way back shows the same.
  const remember = () => {
    const state = new URLSearchParams();
    for (const input of [find, ...choices, order]) if (input.value) state.set(input.id, input.value);
    history.replaceState(null, "", `#${state}`);
  };
  const recall = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const input of [find, ...choices, order]) input.value = state.get(input.id) ?? "";
    const [column, direction] = order.value.split(" ");
    sort(order.value ? Number(column) : -1, direction ?? "");
    filter();
  };

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const again = sorted.column === column && sorted.direction === "ascending";
      sort(column, again ? "descending" : "ascending");
      filter();
      remember();
    });
  });
  form.addEventListener("input", () => {
    const [column, direction] = order.value.split(" ");
    const chosen = order.value ? Number(column) : -1;
    if (chosen !== sorted.column || (direction ?? "") !== sorted.direction) sort(chosen, direction ?? "");
    filter();
    remember();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    history.replaceState(null, "", "#");
    recall();
    find.focus();
  });
  addEventListener("hashchange", recall);
  form.hidden = false;
  if (location.hash.length > 1) recall();
})();
