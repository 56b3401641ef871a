(function () {
  "use strict";
  const place = document.getElementById("explorer");
  if (!place) {
    return;
  }
  const MIN_SEEDS = 5;
  const SPREADLESS = 1e-9;
  const WIDTH = 600, HEIGHT = 60, PAD = 4;
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const at = Object.fromEntries(data.scores.map((name, index) => [name, index]));
  const seeds = data.scenarios[0].worlds.length;
  const stride = 1 + 2 * data.axes.length;
  const controls = data.axes.map((axis, index) => ({
    axis,
    slider: document.getElementById("explorer-slider-" + index),
    number: document.getElementById("explorer-number-" + index),
    span: document.getElementById("explorer-span-" + index),
    line: document.getElementById("explorer-line-" + index),
    marker: document.getElementById("explorer-marker-" + index),
  }));
  const told = document.getElementById("explorer-told");
  const rows = [...document.querySelectorAll("#explorer-table tbody tr")];
  const places = controls.map(() => 0);
  const numbers = controls.map(() => 0);

  // Settings: the span of a number, and the life that a setting leads in a world

  function spanOf(axis, number) {
    let low = 0, high = axis.cuts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const value = axis.cuts[middle][0], isAfter = axis.cuts[middle][1];
      const isBelow = value === null ? middle === 0 : value < number || (value === number && !isAfter);
      [low, high] = isBelow ? [middle + 1, high] : [low, middle];
    }
    return low - 1;
  }

  function isInside(boxes, from, first, left) {
    for (let axis = 0; axis < places.length; axis++) {
      const low = boxes[from + first + 2 * axis], high = boxes[from + first + 2 * axis + 1];
      if (axis !== left && (places[axis] < low || places[axis] >= high)) {
        return false;
      }
    }
    return true;
  }

  function lifeIn(world) {
    for (let from = 0; from < world.boxes.length; from += stride) {
      if (isInside(world.boxes, from, 1, -1)) {
        return world.lives[world.boxes[from]];
      }
    }
    return null;
  }

  // Figures over seeds: as sim.study.inference.contests has them

  function sum(values) {
    return values.reduce((one, other) => one + other, 0);
  }

  function mean(values) {
    const present = values.filter((value) => value !== null);
    if (!present.length) {
      return null;
    }
    const n = present.length, centre = sum(present) / n, t = data.t[n];
    if (t === null) {
      return { mean: centre };
    }
    const spread = Math.sqrt(sum(present.map((value) => (value - centre) ** 2)) / (n - 1));
    const half = (t * spread) / Math.sqrt(n);
    return { mean: centre, low: centre - half, high: centre + half };
  }

  function deltaError(residuals, y, shift) {
    const n = y.length;
    const squares = sum(residuals.map((residual, index) => (residual - shift * y[index]) ** 2));
    return Math.sqrt((n / (n - 1)) * squares) / sum(y);
  }

  function ratio(x, y) {
    const pairs = x.map((value, index) => [value, y[index]]).filter(([one, other]) => one !== null && other !== null);
    pairs.sort((one, other) => one[0] - other[0] || one[1] - other[1]); // the order of seeds must not matter
    const below = sum(pairs.map((pair) => pair[1]));
    if (!pairs.length || pairs.length < MIN_SEEDS || below <= 0) {
      return null;
    }
    const estimate = sum(pairs.map((pair) => pair[0])) / below;
    if (pairs.length !== seeds || !data.draws) {
      return { mean: estimate };
    }
    const residuals = pairs.map(([one, other]) => one - estimate * other), weights = pairs.map((pair) => pair[1]);
    const error = deltaError(residuals, weights, 0);
    const pivots = [];
    for (let from = 0; from < data.draws.length; from += seeds) {
      const drawn = [...data.draws.slice(from, from + seeds)].map((digit) => parseInt(digit, 36));
      const under = drawn.map((seed) => weights[seed]), own = drawn.map((seed) => residuals[seed]), total = sum(under);
      if (total > 0) {
        const shift = sum(own) / total, spread = deltaError(own, under, shift);
        pivots.push(spread <= SPREADLESS * Math.abs(shift) ? Math.sign(shift || 1) * Infinity : shift / spread);
      }
    }
    pivots.sort((one, other) => one - other);
    const k = Math.round((pivots.length + 1) * 0.025);
    const low = pivots[k - 1], high = pivots[pivots.length - k];
    const [down, up] = Number.isFinite(low) && Number.isFinite(high) ? [high, -low] : [data.t[seeds], data.t[seeds]];
    return { mean: estimate, low: estimate - down * error, high: estimate + up * error };
  }

  // What a setting does in a scenario, seed by seed, and over all of them

  function livesIn(scenario) {
    const lives = scenario.worlds.map(lifeIn);
    const score = (name) => lives.map((life) => life[at[name]]);
    const net = score("net_value"), limit = score("days_after_onset"), days = score("detection_days");
    return {
      net,
      more: net.map((value, seed) => value - scenario.worlds[seed].reference[at.net_value]),
      retrains: score("retrains").map((count) => count / scenario.years),
      alarms: score("false_alarms_per_year"),
      days: days.map((value, seed) => (value === null ? limit[seed] : value)),
      never: days.map((value, seed) => (limit[seed] === null ? null : Number(value === null))),
      gained: score("recovery_gained"),
      attainable: score("recovery_attainable"),
      recovery: scenario.recovery,
    };
  }

  function overall(each) {
    const bySeed = (name, listed, put) =>
      Array.from({ length: seeds }, (_, seed) => {
        const known = listed.map((lives) => lives[name][seed]).filter((value) => value !== null);
        return known.length ? put(known) : null;
      });
    const average = (known) => sum(known) / known.length;
    const names = ["net", "more", "retrains", "alarms", "days", "never"];
    const counting = each.filter((lives) => lives.recovery === "told");
    return {
      ...Object.fromEntries(names.map((name) => [name, bySeed(name, each, average)])),
      gained: bySeed("gained", counting, sum),
      attainable: bySeed("attainable", counting, sum),
      recovery: counting.length ? "told" : "none",
    };
  }

  // Words

  function amount(value, digits) {
    return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  function words(figure, digits) {
    if (figure === null) {
      return "–";
    }
    const range = "low" in figure ? " (" + amount(figure.low, digits) + " to " + amount(figure.high, digits) + ")" : "";
    return amount(figure.mean, digits) + range;
  }

  function cells(lives) {
    const never = mean(lives.never);
    const missed = never !== null && never.mean > 0 ? "; never in " + Math.round(100 * never.mean) + " % of lives" : "";
    const recovery = lives.recovery === "told" ? ratio(lives.gained, lives.attainable) : null;
    return [
      words(mean(lives.net), 0),
      words(mean(lives.more), 0),
      words(recovery, 2),
      words(mean(lives.retrains), 2),
      words(mean(lives.alarms), 2),
      words(mean(lives.days), 0) + missed,
    ];
  }

  function sentence() {
    let rule = data.rule;
    controls.forEach((control, index) => {
      rule = rule.replaceAll("{" + control.axis.name + "}", String(numbers[index]));
    });
    let standing = "";
    if (data.alike !== null) {
      const is = data.alike.some((box) => isInside(box, 0, 0, -1));
      standing = is ? " It is not shown to be worse than the best." : " It is shown to be worse than the best.";
    }
    return rule + "." + standing;
  }

  // The curve above each slider: mean net value along it, the others as they are

  function along(axis) {
    const size = controls[axis].axis.samples.length, total = new Float64Array(size);
    for (const scenario of data.scenarios) {
      for (const world of scenario.worlds) {
        for (let from = 0; from < world.boxes.length; from += stride) {
          if (isInside(world.boxes, from, 1, axis)) {
            const worth = world.lives[world.boxes[from]][at.net_value];
            const high = world.boxes[from + 2 + 2 * axis];
            for (let span = world.boxes[from + 1 + 2 * axis]; span < high; span++) {
              total[span] += worth;
            }
          }
        }
      }
    }
    return total;
  }

  function draw(axis) {
    const values = along(axis), control = controls[axis];
    const low = Math.min(...values), high = Math.max(...values), step = WIDTH / values.length;
    const y = (value) => (HEIGHT - PAD - ((value - low) / (high - low || 1)) * (HEIGHT - 2 * PAD)).toFixed(1);
    const points = [...values].flatMap((value, span) => {
      return [(span * step).toFixed(1) + "," + y(value), ((span + 1) * step).toFixed(1) + "," + y(value)];
    });
    control.line.setAttribute("points", points.join(" "));
    const x = ((places[axis] + 0.5) * step).toFixed(1);
    control.marker.setAttribute("x1", x);
    control.marker.setAttribute("x2", x);
  }

  // What is shown

  function show() {
    const each = data.scenarios.map(livesIn);
    const listed = each.length > 1 ? [...each, overall(each)] : each;
    listed.forEach((lives, row) => {
      cells(lives).forEach((text, column) => {
        rows[row].cells[column + 1].textContent = text;
      });
    });
    controls.forEach((control, axis) => {
      const span = control.axis.words[places[axis]];
      control.slider.value = places[axis];
      control.slider.setAttribute("aria-valuetext", control.axis.name + " = " + numbers[axis] + ", all in " + span);
      control.number.value = numbers[axis];
      control.span.textContent = "the same for all in " + span;
      draw(axis);
    });
    told.textContent = sentence();
  }

  function put(axis, number) {
    const span = spanOf(controls[axis].axis, number);
    if (!Number.isFinite(number) || span < 0 || span >= controls[axis].axis.samples.length) {
      return false;
    }
    [places[axis], numbers[axis]] = [span, number];
    return true;
  }

  function slide(axis) {
    places[axis] = Number(controls[axis].slider.value);
    numbers[axis] = controls[axis].axis.samples[places[axis]];
    show();
  }

  function type(axis) {
    const number = controls[axis].number.value === "" ? NaN : Number(controls[axis].number.value);
    if (put(axis, number)) {
      show();
    } else {
      controls[axis].number.value = numbers[axis];
      told.textContent = controls[axis].axis.name + " must be a number that was searched; it stays " + numbers[axis] + ".";
    }
  }

  controls.forEach((control, axis) => {
    control.slider.addEventListener("input", () => slide(axis));
    control.number.addEventListener("change", () => type(axis));
  });
  document.querySelectorAll("#explorer button.mark").forEach((button, index) => {
    button.addEventListener("click", () => {
      data.marks[index][1].forEach((number, axis) => put(axis, number));
      show();
    });
  });
  data.marks[0][1].forEach((number, axis) => put(axis, number));
  place.hidden = false;
  show();
})();
