// Filters the lists, and keeps the place when a timeline is zoomed. The page is complete without it.
"use strict";

(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const output = form.querySelector("output");
  const lists = [...document.querySelectorAll("div.list")].map((list) => ({
    bot: list.closest("[data-bot]").dataset.bot,
    nothing: list.querySelector(".nothing"),
    tables: [...list.querySelectorAll(".wide")].map((table) => ({
      table,
      rows: [...table.querySelectorAll("tbody tr")].map((row) => ({
        row,
        causes: row.dataset.causes.split(" "),
      })),
    })),
  }));

  const apply = () => {
    const { bot = "", cause } = Object.fromEntries(new FormData(form));
    for (const part of document.querySelectorAll("[data-bot]")) {
      part.hidden = bot !== "" && part.dataset.bot !== bot;
    }
    let shown = 0;
    let all = 0;
    for (const list of lists) {
      let here = 0;
      for (const { table, rows } of list.tables) {
        let found = 0;
        for (const { row, causes } of rows) {
          row.hidden = cause !== "" && !causes.includes(cause);
          found += row.hidden ? 0 : 1;
        }
        table.hidden = found === 0;
        here += found;
        all += rows.length;
      }
      list.nothing.hidden = here > 0;
      shown += bot === "" || list.bot === bot ? here : 0;
    }
    const number = new Intl.NumberFormat(document.documentElement.lang);
    output.textContent = output.dataset.text
      .replace("{shown}", number.format(shown))
      .replace("{all}", number.format(all));
  };

  // What is chosen stands in the address, so that a reload keeps it and a copied address shows the same.
  const remember = () => {
    const chosen = [...new FormData(form)].filter(([, value]) => value !== "");
    history.replaceState(null, "", `#${new URLSearchParams(chosen)}`);
  };
  const recall = () => {
    if (!location.hash.includes("=")) return;
    const wanted = new URLSearchParams(location.hash.slice(1));
    for (const select of form.querySelectorAll("select")) {
      const value = wanted.get(select.name) ?? "";
      const known = [...select.options].some((option) => option.value === value);
      select.value = known ? value : "";
    }
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => { apply(); remember(); });
  form.addEventListener("reset", () => setTimeout(() => { apply(); remember(); }));
  addEventListener("hashchange", () => { recall(); apply(); });
  form.hidden = false;
  recall();
  apply();

  // A stop for the Tab key only where there is something to scroll.
  const stops = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  for (const wide of document.querySelectorAll(".wide[tabindex]")) stops.observe(wide);

  for (const stretch of document.querySelectorAll(".stretch")) {
    const view = stretch.querySelector(".window");
    const toEnd = () => { view.scrollLeft = view.scrollWidth; };
    let middle = 1; // as a share of the whole; 1 is now
    view.addEventListener("scroll", () => {
      const end = view.scrollLeft + view.clientWidth >= view.scrollWidth - 2;
      middle = end ? 1 : (view.scrollLeft + view.clientWidth / 2) / view.scrollWidth;
    });
    stretch.querySelector("fieldset").addEventListener("change", () => {
      const kept = middle;
      view.scrollLeft = kept * view.scrollWidth - (kept === 1 ? 0 : view.clientWidth / 2);
    });
    toEnd();
  }
})();
