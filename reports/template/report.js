(function () {
  "use strict";
  const form = document.getElementById("filter");
  const scenario = document.getElementById("filter-scenario");
  const policy = document.getElementById("filter-policy");
  const told = document.getElementById("filter-told");

  function apply() {
    for (const item of document.querySelectorAll("[data-scenario], [data-policy]")) {
      const otherScenario = scenario.value && item.dataset.scenario && item.dataset.scenario !== scenario.value;
      const otherPolicy = policy.value && item.dataset.policy && item.dataset.policy !== policy.value;
      item.hidden = Boolean(otherScenario || otherPolicy);
    }
    const boards = document.querySelectorAll(".board:not([hidden])").length;
    told.textContent = boards + (boards === 1 ? " part is shown" : " parts are shown");
  }

  function openAll() {
    for (const details of document.querySelectorAll("details")) {
      details.open = true;
    }
  }

  scenario.addEventListener("change", apply);
  policy.addEventListener("change", apply);
  window.addEventListener("beforeprint", openAll);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = scenario.options.length <= 2 && policy.options.length <= 2;
  apply();
})();
