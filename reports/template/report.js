(function () {
  "use strict";
  const MOST_ROWS = 10, REACH = 18;
  const form = document.getElementById("filter");
  const scenario = document.getElementById("filter-scenario");
  const policy = document.getElementById("filter-policy");
  const told = document.getElementById("filter-told");

  // The filter, and the address that leads to what it shows

  function apply() {
    for (const item of document.querySelectorAll("[data-scenario], [data-policy]")) {
      const otherScenario = scenario.value && item.dataset.scenario && item.dataset.scenario !== scenario.value;
      const otherPolicy = policy.value && item.dataset.policy && item.dataset.policy !== policy.value;
      item.hidden = Boolean(otherScenario || otherPolicy);
    }
    const boards = document.querySelectorAll(".board:not([hidden])").length;
    told.textContent = boards + (boards === 1 ? " part is shown" : " parts are shown");
    for (const table of document.querySelectorAll("table")) {
      fold(table);
    }
  }

  function remember() {
    const chosen = new URLSearchParams();
    for (const [name, select] of [["scenario", scenario], ["policy", policy]]) {
      if (select.value) {
        chosen.set(name, select.value);
      }
    }
    history.replaceState(null, "", chosen.size ? "#" + chosen : location.pathname + location.search);
  }

  function follow() {
    if (!location.hash.includes("=")) {
      return;
    }
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const [name, select] of [["scenario", scenario], ["policy", policy]]) {
      const value = asked.get(name) || "";
      select.value = [...select.options].some((option) => option.value === value) ? value : "";
    }
    apply();
  }

  // Tables: ten rows until asked, sorted by any column, copied as CSV

  function fold(table) {
    const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden);
    const folds = rows.length > MOST_ROWS && !table.dataset.whole;
    rows.forEach((row, index) => row.classList.toggle("folded", folds && index >= MOST_ROWS));
    if (folds) {
      table.caption.dataset.printed = "the first " + MOST_ROWS + " of " + rows.length;
    } else {
      delete table.caption.dataset.printed;
    }
    const more = table.querySelector("button.more");
    if (more) {
      more.hidden = rows.length <= MOST_ROWS;
      more.textContent = table.dataset.whole ? "show " + MOST_ROWS : "show all " + rows.length;
      more.setAttribute("aria-expanded", String(Boolean(table.dataset.whole)));
    }
  }

  function number(text) {
    const found = text.replace(/(\d),(?=\d{3})/g, "$1").replace("\u2212", "-").match(/^[^\d+-]*([+-]?\d*\.?\d+)/);
    return found ? Number(found[1]) : null;
  }

  function compare(one, other) {
    const [a, b] = [number(one), number(other)];
    if (a !== null && b !== null) {
      return a - b;
    }
    if (a === null && b === null) {
      return one.localeCompare(other);
    }
    return a === null ? 1 : -1;
  }

  function sort(table, head, column) {
    const rising = head.getAttribute("aria-sort") === "descending";
    for (const other of head.parentElement.cells) {
      other.removeAttribute("aria-sort");
    }
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows];
    rows.sort((one, other) => compare(one.cells[column].textContent, other.cells[column].textContent));
    table.tBodies[0].append(...(rising ? rows : rows.reverse()));
    fold(table);
  }

  function csv(table) {
    const quoted = (cell) => '"' + cell.textContent.replaceAll('"', '""') + '"';
    const rows = [...table.rows].filter((row) => !row.hidden);
    return rows.map((row) => [...row.cells].map(quoted).join(",")).join("\r\n") + "\r\n";
  }

  function copy(table, button) {
    const before = button.textContent;
    const say = (words) => {
      button.textContent = words;
      setTimeout(() => (button.textContent = before), 1500);
    };
    navigator.clipboard.writeText(csv(table)).then(() => say("copied"), () => say("not allowed here"));
  }

  function addButton(place, words, does, kind) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words;
    button.className = kind;
    button.addEventListener("click", () => does(button));
    place.append(button);
  }

  function equip(table) {
    if (table.classList.contains("sides")) {
      return;
    }
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const words = head.textContent;
      head.textContent = "";
      addButton(head, words, () => sort(table, head, column), "sort");
    });
    const toggle = () => {
      table.dataset.whole = table.dataset.whole ? "" : "yes";
      fold(table);
    };
    addButton(table.caption, "show all", toggle, "more");
    addButton(table.caption, "copy as CSV", (button) => copy(table, button), "copy");
    fold(table);
  }

  // Pictures: the value that is nearest to the pointer, or the next one by the arrow keys

  function tellValues(picture) {
    const spots = JSON.parse(picture.dataset.spots), image = picture.querySelector("img");
    if (!spots.length) {
      return;
    }
    const tip = document.createElement("div");
    let at = -1;
    tip.className = "tip";
    tip.setAttribute("role", "status");
    tip.hidden = true;
    picture.append(tip);
    picture.tabIndex = 0;
    picture.setAttribute("role", "group");
    picture.setAttribute("aria-label", "Picture: the arrow keys go from value to value");
    const show = (index) => {
      const [left, top, words] = spots[index];
      at = index;
      tip.textContent = words;
      tip.style.left = image.offsetLeft + left * image.clientWidth + "px";
      tip.style.top = image.offsetTop + top * image.clientHeight + "px";
      tip.style.transform = "translate(" + (left > 0.5 ? "calc(-100% - 8px)" : "8px") + ", " + (top > 0.5 ? "-110%" : "10%") + ")";
      tip.hidden = false;
    };
    const hide = () => {
      tip.hidden = true;
    };
    picture.addEventListener("pointermove", (event) => {
      const box = image.getBoundingClientRect();
      const away = spots.map(([left, top]) =>
        Math.hypot(box.left + left * box.width - event.clientX, box.top + top * box.height - event.clientY));
      const nearest = away.indexOf(Math.min(...away));
      if (away[nearest] <= REACH) {
        show(nearest);
      } else {
        hide();
      }
    });
    picture.addEventListener("pointerleave", hide);
    picture.addEventListener("blur", hide);
    picture.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) {
        event.preventDefault();
        show((at + step + spots.length) % spots.length);
        picture.scrollLeft = spots[at][0] * image.clientWidth - picture.clientWidth / 2; // on a phone it is wider
      } else if (event.key === "Escape") {
        hide();
      }
    });
  }

  function openAll() {
    for (const details of document.querySelectorAll("details")) {
      details.open = true;
    }
  }

  for (const select of [scenario, policy]) {
    select.addEventListener("change", () => {
      apply();
      remember();
    });
  }
  window.addEventListener("beforeprint", openAll);
  window.addEventListener("hashchange", follow);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = scenario.options.length <= 2 && policy.options.length <= 2;
  for (const table of document.querySelectorAll("table")) {
    equip(table);
  }
  for (const picture of document.querySelectorAll(".picture")) {
    tellValues(picture);
  }
  apply();
  follow();
})();
