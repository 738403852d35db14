"use strict";
// The page works without this script. It adds a choice of units and estimators, sorting and searching
// of tables, numbers on hover and focus, and a switch between the light and dark themes.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const root = document.documentElement;

  const theme = document.getElementById("theme");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.hidden = false;
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; nameTheme(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
  nameTheme();

  if (matchMedia("(max-width: 75rem)").matches) all(".contents details").forEach(d => { d.open = false; });

  const choices = document.getElementById("choices");
  if (choices) {
    const views = all(".ledger");
    const none = document.getElementById("no-ledger");
    const choose = () => {
      const wanted = Object.fromEntries([...choices.elements].filter(field => field.name
        && (field.type !== "radio" || field.checked)).map(field => [field.name, field.value]));
      const byRow = wanted.unit === "per item row";
      choices.elements.estimator.disabled = byRow;
      if (byRow) wanted.estimator = "least_squares";
      views.forEach(view => {
        view.hidden = Object.keys(wanted).some(key => view.dataset[key] !== wanted[key]);
      });
      if (none) none.hidden = views.some(view => !view.hidden);
    };
    choices.hidden = false;
    choices.addEventListener("change", choose);
    choices.addEventListener("submit", event => event.preventDefault());
    choose();
  }

  const tip = document.getElementById("tip");
  const say = event => {
    const box = event.currentTarget.getBoundingClientRect();
    tip.textContent = event.currentTarget.dataset.tip;
    tip.hidden = false;
    const left = (event.clientX || box.left + box.width / 2) - tip.offsetWidth / 2;
    tip.style.left = `${Math.max(8, Math.min(left, innerWidth - tip.offsetWidth - 8)) + scrollX}px`;
    tip.style.top = `${box.top + scrollY - tip.offsetHeight - 6}px`;
  };
  const hush = () => { tip.hidden = true; };
  all("[data-tip]").forEach(bar => {
    ["mouseenter", "mousemove", "focus"].forEach(name => bar.addEventListener(name, say));
    ["mouseleave", "blur"].forEach(name => bar.addEventListener(name, hush));
  });
  addEventListener("keydown", event => { if (event.key === "Escape") hush(); });

  const compare = (a, b) => {
    const [x, y] = [a, b].map(Number);
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };
  const sort = (table, place, header) => {
    const rising = header.getAttribute("aria-sort") !== "ascending";
    all("th[aria-sort]", table.tHead).forEach(other => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const key = row => row.cells[place].dataset.sort ?? row.cells[place].textContent;
    const rows = [...table.tBodies[0].rows];
    // Cells without a number stay last in both sort orders.
    rows.sort((a, b) => (key(a) === "") - (key(b) === "")
      || (rising ? 1 : -1) * compare(key(a), key(b)));
    table.tBodies[0].append(...rows);
  };
  all("table[id]").forEach(table => {
    [...table.tHead.rows[0].cells].forEach((header, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => sort(table, place, header));
    });
    if (table.tBodies[0].rows.length <= 8) return;
    const label = document.createElement("label");
    const box = document.createElement("input");
    label.className = "search";
    box.type = "search";
    label.append("Search", box);
    table.parentElement.before(label);
    box.addEventListener("input", () => {
      const wanted = box.value.trim().toLowerCase();
      [...table.tBodies[0].rows].forEach(row => {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
      });
    });
  });

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("main details:not([open])");
    opened.forEach(details => { details.open = true; });
  });
  addEventListener("afterprint", () => { opened.forEach(details => { details.open = false; }); });
})();
